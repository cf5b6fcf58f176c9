"""Which files are read."""

import pytest

from swemill.environment.inference import is_wanted


@pytest.mark.parametrize(
    "path",
    [
        "pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "noxfile.py", ".travis.yml", ".gitlab-ci.yml",
        ".github/workflows/tests.yaml", ".circleci/config.yml", "azure-pipelines.yml", "requirements.txt",
        "requirements-dev.txt", "dev-requirements.txt", "test-requirements.txt", "requirements/tests/base.txt",
        "tests/requirements.txt", "constraints.txt", "Pipfile", "environment.yml", "environment-dev.yaml",
        "conda/meta.yaml", "Dockerfile", "docker/Dockerfile.test", "Makefile", ".python-version", "runtime.txt",
        ".gitmodules", ".gitattributes", "pytest.ini", "conftest.py", "tests/conftest.py", "CONTRIBUTING.rst",
        "INSTALL", "README.md", "docs/install.rst", "docs/source/contributing.md", "runtests.py", "tests/runtests.py",
        "manage.py", "MANIFEST.in", "python/setup.py", "packages/core/pyproject.toml", "ci/install.sh", "scripts/test",
        ".github/actions/setup/action.yml", "requirements_test.in", "hatch.toml", "tools/requirements/tests.txt",
    ],
)  # fmt: skip
def test_is_read(path: str) -> None:
    assert is_wanted(path)


@pytest.mark.parametrize(
    "path",
    [
        "", "src/pkg/core.py", "appveyor.yml", ".appveyor.yml", "Pipfile.lock", "poetry.lock", "docs/conf.py",
        "tests/data/setup.py", "examples/app/pyproject.toml", "a/b/c/d/setup.py", "tests/unit/deep/conftest.py",
        "docs/" + "x" * 300 + "/install.rst", "src/pkg/requirements.py", "scripts/release.py", "data/big.csv",
    ],
)  # fmt: skip
def test_is_not_read(path: str) -> None:
    assert not is_wanted(path)
