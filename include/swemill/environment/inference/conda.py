"""Conda's environment files and recipes, with its names turned into those of the package index or of Debian.

Conda knows programs and C libraries as packages like any other. What is known to be one becomes a Debian package where
it has one there, and is left out otherwise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from swemill.environment.inference.sources import Table, as_list, as_table, as_text, at

_NAMES: Mapping[str, str] = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "matplotlib-base": "matplotlib",
    "pytables": "tables",
    "msgpack-python": "msgpack",
    "tensorflow-base": "tensorflow",
    "dask-core": "dask",
    "dateutil": "python-dateutil",
    "attrs": "attrs",
    "yaml": "pyyaml",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "libopencv": "opencv-python-headless",
    "pyqt": "PyQt5",
    "faiss-cpu": "faiss-cpu",
    "python-graphviz": "graphviz",
    "python-xxhash": "xxhash",
    "psycopg2": "psycopg2-binary",
    "importlib_metadata": "importlib-metadata",
    "seaborn-base": "seaborn",
    "xgboost-cpu": "xgboost",
    "py-xgboost": "xgboost",
    "ruamel_yaml": "ruamel.yaml",
    "prompt_toolkit": "prompt-toolkit",
    "pillow": "pillow",
    "snappy": "",
    "gdal": "",
    "libgdal": "",
    "mkl": "",
    "nomkl": "",
    "pip": "",
    "conda": "",
    "blas": "",
    "gh": "",
}
_SYSTEM: Mapping[str, str] = {
    "hdf5": "libhdf5-dev",
    "libnetcdf": "libnetcdf-dev",
    "netcdf": "libnetcdf-dev",
    "graphviz": "graphviz",
    "pandoc": "pandoc",
    "geos": "libgeos-dev",
    "proj": "libproj-dev",
    "proj4": "libproj-dev",
    "libspatialindex": "libspatialindex-dev",
    "libspatialite": "libsqlite3-mod-spatialite",
    "gdal": "libgdal-dev",
    "libgdal": "libgdal-dev",
    "libxml2": "libxml2-dev",
    "libxslt": "libxslt1-dev",
    "openblas": "libopenblas-dev",
    "libopenblas": "libopenblas-dev",
    "lapack": "liblapack-dev",
    "liblapack": "liblapack-dev",
    "fftw": "libfftw3-dev",
    "gsl": "libgsl-dev",
    "ffmpeg": "ffmpeg",
    "libsndfile": "libsndfile1-dev",
    "eigen": "libeigen3-dev",
    "boost": "libboost-all-dev",
    "boost-cpp": "libboost-all-dev",
    "cmake": "cmake",
    "ninja": "ninja-build",
    "swig": "swig",
    "gfortran": "gfortran",
    "gfortran_linux-64": "gfortran",
    "fortran-compiler": "gfortran",
    "pkg-config": "",
    "pkgconfig": "",
    "openjdk": "default-jre-headless",
    "nodejs": "nodejs",
    "zlib": "",
    "openssl": "",
    "sqlite": "",
    "git": "",
    "make": "",
    "gcc": "",
    "compilers": "gfortran",
    "c-compiler": "",
    "cxx-compiler": "",
    "imagemagick": "imagemagick",
    "libpng": "libpng-dev",
    "jpeg": "libjpeg-dev",
    "freetype": "libfreetype-dev",
    "libtiff": "libtiff-dev",
    "snappy": "libsnappy-dev",
    "zeromq": "libzmq3-dev",
    "tesseract": "tesseract-ocr",
    "poppler": "poppler-utils",
    "ghostscript": "ghostscript",
    "r-base": "r-base-core",
    "octave": "octave",
    "protobuf-compiler": "protobuf-compiler",
    "mpich": "libmpich-dev",
    "openmpi": "libopenmpi-dev",
    "unixodbc": "unixodbc-dev",
    "mysql": "default-libmysqlclient-dev",
    "postgresql": "libpq-dev",
    "libpq": "libpq-dev",
}
_NO_PACKAGE = re.compile(r"_.*|.*_linux-64|lib[a-z0-9+-]+|.*-compiler|cuda.*|cudatoolkit|gcc.*|gxx.*|clang.*|m2w64.*")
_SPECIFICATION = re.compile(
    r"(?:[\w./-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<version>[<>=!~].*)?(?:\s+(?P<loose>[\d*][\w.*]*)\s*\S*)?"
)


@dataclass(frozen=True, kw_only=True)
class CondaPackages:
    """What a file of conda asks for."""

    requirements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Files for ``-r`` that its ``pip`` part names."""
    system: tuple[str, ...] = ()
    python: str = ""
    """The version of Python, as written."""


def environment_file(document: Table) -> CondaPackages:
    """The dependencies of an ``environment.yml``."""
    named: list[str] = []
    by_pip: list[str] = []
    for entry in as_list(document.get("dependencies")):
        if text := as_text(entry):
            named.append(text)
        else:
            by_pip += [as_text(line) for line in as_list(as_table(entry).get("pip"))]
    return _packages(named, by_pip)


def recipe(document: Table) -> CondaPackages:
    """What the tests of a ``meta.yaml`` need; it is YAML only where no template is in it."""
    return _packages([as_text(entry) for entry in as_list(at(document, "test").get("requires"))], [])


def pip_requirement(specification: str) -> str:
    """A conda specification (``numpy=1.19``) as a requirement; empty for what the index does not have."""
    found = _SPECIFICATION.fullmatch(specification.strip()[:200])
    if not found or found["name"].lower() in ("python", "pypy"):
        return ""
    name = found["name"].lower()
    if name in _SYSTEM and name not in _NAMES:
        return ""
    if _NO_PACKAGE.fullmatch(name) and name not in _NAMES:
        return ""
    pip_name = _NAMES.get(name, name)
    return pip_name and pip_name + _version(found["version"] or "", found["loose"] or "")


def _version(written: str, loose: str) -> str:
    if loose and not written:
        return f"=={loose}" if not loose.startswith("*") else ""
    written = written.replace(" ", "")
    exact = re.fullmatch(r"=([\w.*]+)(=\S*)?", written)
    if exact:  # conda's single sign is about the beginning of a version, and may name a build after it
        version = exact[1].removesuffix("*").removesuffix(".")
        return f"=={version}.*" if version and not exact[2] else f"=={version}" if version else ""
    return written if re.fullmatch(r"[<>=!~][\w.<>=!~,*+-]*", written) else ""


def _packages(named: list[str], by_pip: list[str]) -> CondaPackages:
    python = next((name for name in named if re.match(r"python\s*[=<>]", name)), "")
    files = [line.strip()[2:].strip() for line in by_pip if line.strip().startswith("-r")]
    system = [_SYSTEM.get(re.split(r"[<>=!~ ]", name, maxsplit=1)[0].lower(), "") for name in named]
    return CondaPackages(
        requirements=tuple(
            line for line in (*map(pip_requirement, named), *(line.strip() for line in by_pip)) if line[:1].isalnum()
        ),
        files=tuple(files),
        system=tuple(name for name in system if name),
        python=python.removeprefix("python").strip("= ").removesuffix("*").removesuffix("."),
    )
