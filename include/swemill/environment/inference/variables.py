"""Environment variables that a repository sets for its tests, reduced to what may be believed of a stranger.

A variable can turn off a check, load a library or change an index. So there is a grammar of names, a list of what never
passes, and values that are plain.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from swemill.environment.inference.contexts import Context, Kind, is_test_program, is_test_run
from swemill.environment.inference.plugins import configuration
from swemill.environment.inference.sources import Sources

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,60}")
_VALUE = re.compile(r"[A-Za-z0-9_.,:/@%+=\- ]{0,200}")
_NEVER = re.compile(
    # what the machine and the sandbox are about
    r"PATH|HOME|SHELL|USER|LOGNAME|TMPDIR|TEMP|TMP|IFS|ENV|BASH_.*|LD_.*|DYLD_.*|TERM|DISPLAY|EDITOR|PAGER|XDG_.*|OS"
    r"|PYTHON.*|SWEMILL_.*|(HTTPS?|FTP|ALL|NO)_PROXY|SSL_.*|REQUESTS_CA_BUNDLE|CURL_.*|DEBIAN_FRONTEND|MACOSX_.*"
    # secrets
    r"|.*(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?|PASS)|KEY_.*|AWS_.*|AZURE_.*|GCLOUD_.*|.*_URL"
    # tools that install, run and report
    r"|PYTEST.*|PIP_.*|UV_.*|POETRY_.*|PDM_.*|HATCH_.*|PIPENV_.*|TWINE_.*|CIBW_.*|TOX.*|NOX.*|VIRTUAL_?ENV.*|CONDA.*"
    r"|MINICONDA.*|GIT_.*|DOCKER.*|PRE_COMMIT.*|.*CCACHE.*|COVERAGE.*|COV(_.*)?|CODECOV.*|COVERALLS.*"
    # the service, and how it builds
    r"|CI|CI_.*|GITHUB_.*|TRAVIS.*|ACTIONS_.*|RUNNER_.*|MATRIX_.*|CACHE_.*|DEFAULT_.*|RUN_.*|INSTALL_.*|UPGRADE_.*|IS_.*"
    r"|CMD|SCRIPT|ARCH|PLATFORM|IMAGE|NAME|VERSION|DEPS|EXTRAS?|.*_VERSION|.*_PREFIX|.*_DEPS|STATIC.*|.*FLAGS|CC|CXX|FC"
    r"|.*COLORS?|DIFF_AGAINST"
)
# Not those that are strict about warnings: of other releases there are others, and builds would obey them too.
_OF_PYTHON = frozenset({"PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING"})
_KINDS = (Kind.TOX, Kind.NOX, Kind.TASKS, Kind.CI, Kind.MAKE)
_MOST = 30


def variables(sources: Sources, contexts: Iterable[Context]) -> dict[str, tuple[str, str]]:
    """What tests are run with: name -> (value, where). Of each kind of place the first that runs tests counts."""
    found: dict[str, tuple[str, str]] = {}
    seen: set[Kind] = set()
    for context in contexts:
        if context.kind in seen or context.kind not in _KINDS or not any(map(is_test_run, context.commands)):
            continue
        seen.add(context.kind)
        given = dict(context.variables)
        for command in context.commands:
            if is_test_program(command):
                given |= command.variables
        for name, value in given.items():
            kept = _checked(name, value, sources)
            if kept is not None and len(found) < _MOST:
                found.setdefault(name, (kept, context.where))
    if settings := _django_settings(sources):
        found.setdefault("DJANGO_SETTINGS_MODULE", settings)
    return found


def _checked(name: str, value: str, sources: Sources) -> str | None:
    if name == "PYTHONPATH":
        return _python_path(value, sources)
    never = _NEVER.fullmatch(name) and name not in _OF_PYTHON
    if not _NAME.fullmatch(name) or never or not _VALUE.fullmatch(value) or not value:
        return None
    return None if "://" in value or ".." in value else value


def _python_path(value: str, sources: Sources) -> str | None:
    """Folders of the checkout, as they are called in the image; whatever else was in it is left out."""
    kept: list[str] = []
    for part in value[:500].split(":"):
        plain = re.sub(
            r"^(\$\{?PWD\}?|\$\(pwd\)|`pwd`|\$\{?TRAVIS_BUILD_DIR\}?|\$\{\{ ?github\.workspace ?\}\})", ".", part
        )
        path = PurePosixPath(plain.strip())
        inside = plain.strip() and not path.is_absolute() and ".." not in path.parts and "$" not in plain
        if inside and str(path) in sources.folders | {"."} and _VALUE.fullmatch(str(path)):
            kept.append(str(PurePosixPath("/testbed", path)))
    return ":".join(dict.fromkeys(kept)) or None


def _django_settings(sources: Sources) -> tuple[str, str] | None:
    path, section = configuration(sources)
    value = section.get("DJANGO_SETTINGS_MODULE", section.get("django_settings_module", ""))
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.]{0,100}", value):
        return value, path
    return None
