"""Which packages are tools of the developers and no part of running the tests: linters, documentation, releases."""

import re

from packaging.utils import canonicalize_name

_LINT = (
    "flake8 pyflakes pycodestyle pep8 pydocstyle pylint black isort ruff mypy pyright pytype pyre-check bandit safety "
    "vulture radon xenon yapf autopep8 autoflake pyupgrade doc8 codespell check-manifest pyroma restructuredtext-lint "
    "rstcheck pre-commit prospector mccabe eradicate docformatter vermin pylama hacking blacken-docs "
    "reorder-python-imports "
    "slotscheck sourcery pyrefly ty basedpyright refurb interrogate darglint pydoclint pip-audit detect-secrets "
    "yamllint "
    "djlint curlylint cpplint cmakelint cython-lint proselint gitlint commitizen check-wheel-contents "
    "validate-pyproject "
    "pyproject-fmt tox-ini-fmt licensecheck reuse pytest-checkipdb readme-renderer docutils-stubs sqlfluff "
    "deptry zimports"
)
_DOCUMENTATION = (
    "sphinx furo mkdocs mkdocs-material mkdocstrings myst-parser myst-nb numpydoc nbsphinx pdoc pdoc3 recommonmark "
    "sphinxcontrib-napoleon alabaster sphinx-rtd-theme pydata-sphinx-theme sphinx-autobuild sphinx-copybutton "
    "sphinx-gallery towncrier reno releases mike mkdocs-gen-files sphinxcontrib-spelling sphinx-autodoc-typehints "
    "pallets-sphinx-themes sphinx-issues sphinx-tabs sphinx-click sphinx-inline-tabs jupyter-book texext"
)
_RELEASE = (
    "twine build wheel-inspect bump2version bumpversion bumpver zest-releaser zest.releaser python-semantic-release "
    "keyring cibuildwheel auditwheel delocate check-manifest rever git-changelog towncrier pipdeptree pip-tools "
    "pip-compile-multi "
    "github-release pyinstaller shiv pex cogapp asv airspeed-velocity snakeviz line-profiler memory-profiler "
    "ipdb pdbpp "
    "ipython jupyterlab watchdog-gevent bpython ptpython pudb"
)
_DISTURBING = (
    "pytest-randomly pytest-random-order pytest-sugar pytest-github-actions-annotate-failures pytest-codspeed "
    "pytest-instafail pytest-repeat pytest-reverse pytest-pretty pytest-azurepipelines pytest-watch pytest-md "
    "pytest-emoji pytest-icdiff pytest-clarity pytest-html pytest-json-report pytest-reportlog"
)
"""Plugins that change the order of tests or what is printed of them, and that no test needs."""
_REPORTERS = "codecov coveralls python-coveralls coveralls-merge codacy-coverage codeclimate-test-reporter"
"""They send what coverage measured to a service; some were taken off the index since."""
_CONTINUOUS = (
    "tox tox-travis tox-gh-actions tox-gh "
    "tox-uv tox-venv tox-conda tox-docker tox-lsr nox nox-poetry poetry pdm hatch uv pipenv pip virtualenv wheel "
    "conda conda-build "
    "flit detox invoke-release pipx"
)
_STUBS = re.compile(
    r"types-.+|.+-stubs|flake8-.+|pep8-naming|sphinx(ext)?-.+|sphinxcontrib-.+|mkdocs-.+|pytest-(mypy|flake8|black|isort|pylint|ruff|pep8|pycodestyle|pydocstyle|flakes|checkdocs|lint)(-.+)?|mypy-.+|.+-sphinx-theme|pylint-.+|python-docs-theme"
)


def _names(text: str) -> frozenset[str]:
    return frozenset(str(canonicalize_name(name)) for name in text.split())


_TOOLS = _names(_DISTURBING) | _names(_LINT) | _names(_DOCUMENTATION) | _names(_RELEASE) | _names(_REPORTERS)
_OF_THE_SERVICE = _names(_CONTINUOUS) | _names(_REPORTERS)


def is_tooling(name: str) -> bool:
    """Whether a package serves linting, documentation or releases, whoever asks for it."""
    canonical = str(canonicalize_name(name))
    return canonical in _TOOLS or bool(_STUBS.fullmatch(canonical))


def is_service_tool(name: str) -> bool:
    """Whether a command of continuous integration that installs this only prepares its own work.

    In a list of what tests need the same name counts: some projects test with tox, pip or virtualenv.
    """
    return str(canonicalize_name(name)) in _OF_THE_SERVICE


def is_tooling_file(path: str) -> bool:
    """Whether a requirements file, by its name, is about such tools alone."""
    words = {word for word in re.split(r"[^a-z0-9]+", path.lower()) if word}
    return bool(words & _FOREIGN) or (bool(words & _FILES) and not words & {"test", "tests", "testing"})


_FOREIGN = frozenset({"windows", "win", "win32", "osx", "macos", "pypy", "py2", "py26", "py27", "python2"})
_FILES = frozenset(
    {"lint", "linting", "linters", "docs", "doc", "documentation", "mypy", "typing", "types", "release", "publish"}
    | {
        "style",
        "format",
        "formatting",
        "precommit",
        "rtd",
        "readthedocs",
        "spelling",
        "sphinx",
        "codequality",
        "deploy",
    }
    | {"packaging", "benchmark", "benchmarks", "benchmarking", "bench", "wheel", "examples", "example", "prod"}
    | {"production", "docker", "broken", "notebooks", "tools", "flake8", "black"}
)
