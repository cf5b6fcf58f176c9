"""Debian packages that a repository installs before its tests: by apt, or by others under well known names."""

import re
from collections.abc import Iterable, Iterator, Mapping

from swemill.environment.inference.command_lines import Command
from swemill.environment.inference.contexts import Context, Kind
from swemill.environment.inference.findings import Finding
from swemill.environment.inference.sources import Sources, lines_of

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,60}")
"""Debian Policy Manual, section 5.6.1."""
_NOISE = frozenset(
    {
        "sudo",
        "git",
        "curl",
        "wget",
        "gnupg",
        "gnupg2",
        "ca-certificates",
        "apt-transport-https",
        "lsb-release",
        "locales",
    }
    | {"software-properties-common", "build-essential", "gcc", "g++", "make", "libc6-dev", "pkg-config", "tzdata"}
    | {"openssh-client", "openssh-server", "ssh", "vim", "nano", "less", "zip", "unzip", "tar", "bash", "zsh", "man-db"}
    | {
        "debhelper",
        "devscripts",
        "dh-python",
        "apt-utils",
        "dirmngr",
        "gpg",
        "rsync",
        "procps",
        "htop",
        "tmux",
        "screen",
    }
    | {"clang-format", "clang-tidy", "cppcheck", "shellcheck", "docker.io", "docker-ce", "docker-compose", "snapd"}
    | {"texlive", "texlive-latex-extra", "texlive-fonts-recommended", "latexmk", "tcl", "dos2unix", "npm", "yarn"}
    | {"valgrind", "gdb", "strace", "ltrace"}
    | {"google-chrome-stable", "lcov", "doxygen", "gh", "jq", "aptitude", "apt", "dpkg", "coreutils", "patch", "file"}
    | {"zlib1g-dev", "libffi-dev", "libssl-dev", "libbz2-dev", "libreadline-dev", "libsqlite3-dev", "liblzma-dev"}
    | {
        "libxml2-dev",
        "libxslt1-dev",
        "libxslt-dev",
        "libyaml-dev",
        "xz-utils",
        "zlib1g",
        "all",
        "update",
        "ccache",
        "locales-all",
        "software",
    }
)
"""Tools of the machine, and what every base image has."""
_FOREIGN = re.compile(
    r"(lib)?python\d?(\.\d+)?(-.*|\d.*)?|pypy.*|virtualenv|ipython\d?|linux-.*|cython\d?|.*-python\d?(\.\d+)?|nvidia-.*|cuda-.*"
    r"|gcc-\d.*|g\+\+-\d.*|texlive-.*|mysql-server.*|mysql-client.*|postgresql-\d.*|mongodb.*|oracle-java.*"
)
_VALUED = frozenset({"-t", "--target-release", "-o", "-c", "--default-release"})
_OTHERS: Mapping[str, str] = {
    "libxml2-devel": "libxml2-dev", "libxslt-devel": "libxslt1-dev", "openssl-devel": "libssl-dev",
    "libffi-devel": "libffi-dev", "hdf5-devel": "libhdf5-dev", "hdf5": "libhdf5-dev", "zlib-devel": "zlib1g-dev",
    "libjpeg-devel": "libjpeg-dev", "libjpeg-turbo-devel": "libjpeg-dev", "freetype-devel": "libfreetype-dev",
    "libtiff-devel": "libtiff-dev", "lcms2-devel": "liblcms2-dev", "libwebp-devel": "libwebp-dev",
    "geos": "libgeos-dev", "geos-devel": "libgeos-dev", "gdal": "libgdal-dev", "gdal-devel": "libgdal-dev",
    "proj": "libproj-dev", "proj-devel": "libproj-dev", "graphviz": "graphviz", "graphviz-devel": "libgraphviz-dev",
    "openldap-devel": "libldap2-dev", "postgresql-devel": "libpq-dev", "postgresql": "libpq-dev",
    "mysql-devel": "default-libmysqlclient-dev", "mariadb-devel": "default-libmysqlclient-dev",
    "mysql-client": "default-libmysqlclient-dev", "krb5-devel": "libkrb5-dev", "ffmpeg": "ffmpeg",
    "portaudio": "portaudio19-dev", "portaudio-devel": "portaudio19-dev", "libsndfile": "libsndfile1",
    "pandoc": "pandoc", "swig": "swig", "cmake": "cmake", "ninja": "ninja-build", "ninja-build": "ninja-build",
    "gcc-gfortran": "gfortran", "gfortran": "gfortran", "openblas": "libopenblas-dev", "openblas-devel":
    "libopenblas-dev", "blas-devel": "libblas-dev", "lapack-devel": "liblapack-dev", "fftw": "libfftw3-dev",
    "fftw-devel": "libfftw3-dev", "gmp-devel": "libgmp-dev", "gmp": "libgmp-dev", "mpfr": "libmpfr-dev",
    "enchant": "libenchant-2-2", "libmagic": "libmagic1", "file-devel": "libmagic-dev", "cairo": "libcairo2-dev",
    "cairo-devel": "libcairo2-dev", "pango": "libpango1.0-dev", "libcurl-devel": "libcurl4-openssl-dev",
    "curl-devel": "libcurl4-openssl-dev", "libusb": "libusb-1.0-0", "snappy": "libsnappy-dev", "snappy-devel":
    "libsnappy-dev", "bzip2-devel": "libbz2-dev", "xz-devel": "liblzma-dev", "sqlite-devel": "libsqlite3-dev",
    "libmemcached": "libmemcached-dev", "libmemcached-devel": "libmemcached-dev", "unixodbc": "unixodbc-dev",
    "unixODBC-devel": "unixodbc-dev", "libevent": "libevent-dev", "libevent-devel": "libevent-dev",
    "protobuf": "protobuf-compiler", "protobuf-compiler": "protobuf-compiler", "boost": "libboost-all-dev",
    "boost-devel": "libboost-all-dev", "eigen": "libeigen3-dev", "spatialindex": "libspatialindex-dev",
    "open-mpi": "libopenmpi-dev", "mpich": "libmpich-dev", "openmpi-devel": "libopenmpi-dev", "gsl": "libgsl-dev",
    "tesseract": "tesseract-ocr", "poppler": "poppler-utils", "imagemagick": "imagemagick", "libraqm": "libraqm-dev",
    "little-cms2": "liblcms2-dev", "openjpeg": "libopenjp2-7-dev", "webp": "libwebp-dev", "libimagequant":
    "libimagequant-dev", "librdkafka": "librdkafka-dev", "leveldb": "libleveldb-dev", "lmdb": "liblmdb-dev",
    "libsodium": "libsodium-dev", "libzmq": "libzmq3-dev", "zeromq": "libzmq3-dev", "xmlsec1": "xmlsec1",
    "libxmlsec1": "libxmlsec1-dev", "xmlsec1-devel": "libxmlsec1-dev", "mercurial": "mercurial", "subversion":
    "subversion", "svn": "subversion", "hg": "mercurial", "bzr": "bzr", "netcdf": "libnetcdf-dev",
}  # fmt: skip
"""Names of Fedora, Alpine and Homebrew where they are well known."""


def system_packages(
    sources: Sources, contexts: Iterable[Context], conda: Iterable[Finding], *, own: str = ""
) -> list[Finding]:
    """The packages that are more than noise, by Debian's grammar of names.

    Documents count only where nothing that a machine executes installs any.

    Args:
        sources: the commit.
        contexts: where commands stand.
        conda: packages that conda files ask for.
        own: name of the project, which Debian may have as well.
    """
    found: list[Finding] = []
    told: list[Finding] = []
    for context in contexts:
        into = told if context.kind is Kind.DOCUMENT else found
        names = [*context.packages, *(name for command in context.commands for name in _installed(command))]
        into += [Finding(name, context.where) for raw in names if (name := _name(raw))]
    for path in sources.matching("apt.txt", "Aptfile", "packages.txt", "binder/apt.txt"):
        names = lines_of(sources.text(path))
        found += [Finding(name, path) for raw in names if (name := _name(raw))]
    told = [f for f in told if not own or not f.value.startswith(own.lower())]
    return [*(found or told), *(Finding(name, f.where) for f in conda if (name := _name(f.value)))]


def _installed(command: Command) -> Iterator[str]:
    """The names that a command of some system's installer installs, as Debian has them."""
    words = command.words
    program = words[0].rpartition("/")[2] if words else ""
    if program not in ("apt-get", "apt", "aptitude", "yum", "dnf", "microdnf", "apk", "brew", "zypper"):
        return
    verbs = ("install", "add", "build-dep")
    start = next((place for place, word in enumerate(words) if word in verbs), None)
    if start is None or words[start] == "build-dep":
        return
    rest = list(words[start + 1 :])
    while rest:
        word = rest.pop(0)
        if word in _VALUED and rest:
            rest.pop(0)
        elif not word.startswith(("-", "$", "<", ">", "2>", "/", ".")):
            yield word if program.startswith("apt") else _OTHERS.get(re.split(r"[@=]", word, maxsplit=1)[0], "")


def _name(raw: str) -> str:
    """The plain name; empty for noise and for what is no package."""
    name = re.split(r"[=/:~]", raw.strip(), maxsplit=1)[0]
    if not _NAME.fullmatch(name) or name in _NOISE or _FOREIGN.fullmatch(name) or name.isdigit():
        return ""
    return name if any(letter.isalpha() for letter in name) else ""
