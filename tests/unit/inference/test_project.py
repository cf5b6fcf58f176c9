"""What there is to install, and how its version is made."""

import pytest

from swemill.environment.inference import infer
from swemill.values import Submodule
from tests.unit.inference.commits import commit, inferred


@pytest.mark.parametrize(
    ("system", "backend"),
    [
        ("requires=['setuptools']\nbuild-backend='setuptools.build_meta'", "setuptools"),
        ("requires=['setuptools']", "setuptools"),
        ("requires=['poetry-core']\nbuild-backend='poetry.core.masonry.api'", "poetry"),
        ("requires=['hatchling']\nbuild-backend='hatchling.build'", "hatch"),
        ("requires=['pdm-pep517']\nbuild-backend='pdm.pep517.api'", "pdm"),
        ("requires=['flit_core']\nbuild-backend='flit_core.buildapi'", "flit"),
        ("requires=['maturin']\nbuild-backend='maturin'", "maturin"),
        ("requires=['meson-python']\nbuild-backend='mesonpy'", "meson"),
        ("requires=['setuptools']\nbuild-backend='own'\nbackend-path=['.']", "setuptools"),
    ],
)
def test_back_ends(system: str, backend: str) -> None:
    found = inferred({"pyproject.toml": f"[build-system]\n{system}\n"})
    assert found.has_project
    assert found.build_backend == backend


@pytest.mark.parametrize(
    ("files", "exists", "folder"),
    [
        ({"setup.py": ""}, True, "."),
        ({"setup.cfg": "[metadata]\nname = x"}, True, "."),
        ({"setup.cfg": "[flake8]\nmax-line-length = 100"}, False, "."),
        ({"pyproject.toml": "[tool.black]\nline-length = 100"}, False, "."),
        ({"pyproject.toml": "[tool.poetry]\npackage-mode = false\n[build-system]\nrequires=[]"}, False, "."),
        ({"pyproject.toml": "[project]\nname='x'\n[tool.uv]\npackage = false"}, False, "."),
        ({"pyproject.toml": "[tool.black]\nx = 1", "python/setup.py": ""}, True, "python"),
        ({"clients/go/setup.py": "", "packages/setup.py": "", "zoo/setup.py": ""}, True, "packages"),
        ({"tests/setup.py": "", "docs/setup.py": ""}, False, "."),
        ({}, False, "."),
    ],
)
def test_where_the_project_lies(files: dict[str, str | bytes], exists: bool, folder: str) -> None:
    found = inferred(files)
    assert (found.has_project, found.project_dir) == (exists, folder)


def test_build_requirements_of_all_kinds() -> None:
    found = inferred(
        {
            "pyproject.toml": "[build-system]\nrequires=['setuptools>=40', 'wheel', 'cython @ git+https://x.org/c']\n",
            "setup.py": "setup(setup_requires=['numpy', 'pytest-runner; python_version<\"3\"'])",
            "setup.cfg": "[options]\nsetup_requires =\n    cffi>=1\n",
        }
    )
    assert found.build_requires == (
        "setuptools>=40",
        "wheel",
        "cython",
        "numpy",
        'pytest-runner; python_version < "3"',
        "cffi>=1",
    )


@pytest.mark.parametrize(
    ("files", "version_file"),
    [
        (
            {"setup.py": "setup(use_scm_version={'write_to': 'x/_version.py'}, setup_requires=['setuptools_scm'])"},
            "x/_version.py",
        ),
        ({"pyproject.toml": "[build-system]\nrequires=['setuptools_scm[toml]>=6']\n[tool.setuptools_scm]\n"}, ""),
        ({"setup.cfg": "[metadata]\nname=x\n[versioneer]\nversionfile_source = x/_v.py\n"}, "x/_v.py"),
        ({"setup.py": "setup(setup_requires=['pbr'], pbr=True)"}, ""),
        ({"setup.py": "import versioneer\nsetup(version=versioneer.get_version())"}, ""),
        (
            {
                "pyproject.toml": "[build-system]\nrequires=['hatchling', 'hatch-vcs']\n"
                "[project]\nname='x'\ndynamic=['version']\n[tool.hatch.version]\nsource='vcs'\n"
                "[tool.hatch.build.hooks.vcs]\nversion-file='x/v.py'\n"
            },
            "x/v.py",
        ),
        (
            {
                "pyproject.toml": "[project]\nname='x'\n[tool.pdm.version]\nsource='scm'\nwrite_to='x/V'\n",
                "src/x/a.py": "",
            },
            "src/x/V",
        ),
        ({"pyproject.toml": "[tool.poetry]\nname='x'\n[tool.poetry-dynamic-versioning]\nenable=true\n"}, ""),
        ({"pyproject.toml": "[build-system]\nrequires=['versioningit']\n[tool.versioningit]\n"}, ""),
        ({"setup.py": "setup(use_scm_version={'write_to': '../../etc/x'})"}, ""),
    ],
)
def test_versions_asked_of_git(files: dict[str, str | bytes], version_file: str) -> None:
    found = inferred(files)
    assert found.version_from_tags
    assert found.version_file == version_file


@pytest.mark.parametrize(
    "files",
    [
        {"setup.py": "setup(version='1.0', setup_requires=['setuptools_scm'])"},
        {"pyproject.toml": "[build-system]\nrequires=['setuptools_scm']\n[project]\nname='x'\nversion='1'\n"},
        {"setup.py": "setup(version='1')"},
    ],
)
def test_versions_that_are_written_down(files: dict[str, str | bytes]) -> None:
    assert not inferred(files).version_from_tags


def test_submodules_and_lfs() -> None:
    good = Submodule(path="vendor/x", url="https://forge.example/x.git", commit="b" * 40)
    bad = [
        Submodule(path="../x", url="https://forge.example/x.git", commit="b" * 40),
        Submodule(path="/etc", url="https://forge.example/x.git", commit="b" * 40),
        Submodule(path="y", url="ext::sh -c x", commit="b" * 40),
        Submodule(path="z", url="--upload-pack=x", commit="b" * 40),
        Submodule(path="docs/theme", url="https://forge.example/x.git", commit="b" * 40),
    ]
    tree = commit(
        {".gitattributes": "*.bin filter=lfs diff=lfs -text\n*.py text\n# *.x filter=lfs\n"}, submodules=(good, *bad)
    )
    found = infer(tree)
    assert found.submodules == (good,)
    assert found.git_lfs == ("*.bin",)
