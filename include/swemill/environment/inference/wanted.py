"""Which files of a commit inference reads: those that say how the project is installed and tested, by path alone."""

import re
from pathlib import PurePosixPath

_ROOT = frozenset(
    {"pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "tox.toml", "noxfile.py", "pytest.ini", ".pytest.ini"}
    | {"pytest.toml", ".pytest.toml", "hatch.toml", "pipfile", "conftest.py", "makefile", "gnumakefile", "runtests.py"}
    | {"manage.py", "manifest.in", ".python-version", "runtime.txt", ".tool-versions", ".gitmodules", ".gitattributes"}
    | {".travis.yml", ".gitlab-ci.yml", ".cirrus.yml", "azure-pipelines.yml", ".azure-pipelines.yml", "meta.yaml"}
    | {"conda.yml", "conda.yaml", "apt.txt", "aptfile", "packages.txt", "bootstrap.py", "run-tests.py"}
)
_PROJECT = frozenset({"pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "noxfile.py"})
_NO_PROJECT = re.compile(r"(?i)^(\.|tests?$|testing$|docs?$|examples?$|samples?$|demos?$|benchmarks?$|vendor|third)")
_TOP_NAMES = re.compile(
    r"(?i)(readme|install|contributing|hacking|developing|development|testing)([._-].*)?"
    r"|.*dockerfile.*|environment[\w.-]*\.ya?ml|[\w.-]*environment\.ya?ml|conda[\w.-]*\.(ya?ml|txt)"
)
_REQUIREMENTS = re.compile(r"(?i)([\w.+-]*(requirements|constraints|requires|reqs|deps)[\w.+-]*)\.(txt|in|pip)")
_REQUIREMENT_FOLDER = re.compile(r"(?i)(requirements?|reqs?|deps|dependencies|pip-requirements)")
_CI = re.compile(
    r"\.github/workflows/[^/]+\.ya?ml|\.github/actions/[^/]+/action\.ya?ml|\.circleci/config\.ya?ml"
    r"|\.?azure-pipelines/[^/]+\.ya?ml|ci/[^/]+\.ya?ml|\.gitlab/[^/]+\.ya?ml|\.ci/[^/]+\.ya?ml"
    r"|\.devcontainer/Dockerfile|docker/[^/]*Dockerfile[^/]*|(ci|\.ci)/requirements/[^/]+\.(ya?ml|txt)"
    r"|conda(\.recipe|-recipe)?/(meta|recipe)\.ya?ml|binder/(environment\.yml|apt\.txt)"
)
_SCRIPT = re.compile(
    r"(ci|\.ci|scripts?|tools|\.travis|\.circleci|\.github(/workflows|/scripts|/actions/[^/]+)?|continuous_integration"
    r"|build_tools|bin|dev|misc|util|tests?)(/(ci|travis|github|azure|circle|gh))?/[\w.-]+"
)
_DOCUMENT = re.compile(r"(?i)docs?(/source|/en)?(/\w+)?/(install\w*|contribut\w*|development|developing|testing)\.\w+")
_TEST_FOLDER = frozenset({"test", "tests", "testing"})


def is_wanted(path: str) -> bool:
    """Whether ``infer`` reads the file's content.

    Files below a folder count where their place is usual: ``requirements/``, ``.github/workflows/``, ``tests/``, and
    one folder deep for projects that do not lie at the root.
    """
    if len(path) > 200:
        return False
    parts = PurePosixPath(path).parts
    if not parts:
        return False
    if len(parts) == 1:
        return _at_top(parts[0])
    return (
        _is_requirements(parts)
        or bool(_CI.fullmatch(path))
        or _is_script(path, parts[-1])
        or bool(_DOCUMENT.fullmatch(path))
        or (parts[-1] in _PROJECT and _may_hold_project(parts[:-1]))
        or (parts[-1] == "conftest.py" and len(parts) == 2)
        or (parts[-1] in ("runtests.py", "manage.py", "pytest.ini") and parts[0] in _TEST_FOLDER and len(parts) == 2)
    )


def _at_top(name: str) -> bool:
    return (
        name.lower() in _ROOT
        or bool(_TOP_NAMES.fullmatch(name))
        or bool(_REQUIREMENTS.fullmatch(name))
        or (name.endswith(".sh") and not name.startswith("."))
        or name in ("runtests", "run_tests", "test", "tests")
    )


def _is_requirements(parts: tuple[str, ...]) -> bool:
    if len(parts) > 4:
        return False
    text = parts[-1].lower().endswith((".txt", ".in", ".pip"))
    return text and (
        bool(_REQUIREMENTS.fullmatch(parts[-1])) or any(_REQUIREMENT_FOLDER.fullmatch(part) for part in parts[:-1])
    )


def _is_script(path: str, name: str) -> bool:
    return bool(_SCRIPT.fullmatch(path)) and (name.endswith((".sh", ".bash")) or "." not in name)


def _may_hold_project(folders: tuple[str, ...]) -> bool:
    return len(folders) <= 2 and not any(_NO_PROJECT.match(folder) for folder in folders)
