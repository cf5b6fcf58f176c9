"""Plugins of pytest that a configuration presupposes: without them pytest refuses its own options."""

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from swemill.environment.inference.command_lines import split_words
from swemill.environment.inference.findings import Finding
from swemill.environment.inference.literals import Names, parse_python
from swemill.environment.inference.sources import Sources, as_list, as_text, as_texts, at

_OPTIONS: Mapping[str, str] = {
    "--cov": "pytest-cov", "--no-cov": "pytest-cov", "--numprocesses": "pytest-xdist", "--dist": "pytest-xdist",
    "--maxprocesses": "pytest-xdist", "--forked": "pytest-forked", "--boxed": "pytest-forked",
    "--timeout": "pytest-timeout", "--session-timeout": "pytest-timeout", "--reruns": "pytest-rerunfailures",
    "--benchmark": "pytest-benchmark", "--asyncio-mode": "pytest-asyncio", "--html": "pytest-html",
    "--self-contained-html": "pytest-html", "--randomly": "pytest-randomly", "--random-order": "pytest-random-order",
    "--ds": "pytest-django", "--reuse-db": "pytest-django", "--create-db": "pytest-django", "--nomigrations":
    "pytest-django", "--no-migrations": "pytest-django", "--dc": "pytest-django", "--instafail": "pytest-instafail",
    "--mpl": "pytest-mpl", "--nbval": "nbval", "--doctest-plus": "pytest-doctestplus", "--doctest-rst":
    "pytest-doctestplus", "--text-file-format": "pytest-doctestplus", "--remote-data": "pytest-remotedata",
    "--arraydiff": "pytest-arraydiff", "--open-files": "pytest-openfiles", "--astropy-header": "pytest-astropy-header",
    "--snapshot": "syrupy", "--aiohttp": "pytest-aiohttp", "--reactor": "pytest-twisted", "--splits": "pytest-split",
    "--testmon": "pytest-testmon", "--block-network": "pytest-recording", "--record-mode": "pytest-recording",
    "--disable-recording": "pytest-recording", "--vcr-record": "pytest-vcr", "--disable-socket": "pytest-socket",
    "--enable-socket": "pytest-socket", "--allow-hosts": "pytest-socket", "--allow-unix-socket": "pytest-socket",
    "--force-sugar": "pytest-sugar", "--spec": "pytest-spec", "--typeguard-packages": "typeguard",
    "--beartype-packages": "pytest-beartype", "--hypothesis": "hypothesis", "--memray": "pytest-memray",
    "--flake8": "pytest-flake8", "--flakes": "pytest-flakes", "--pep8": "pytest-pep8", "--pycodestyle":
    "pytest-pycodestyle", "--pydocstyle": "pytest-pydocstyle", "--isort": "pytest-isort", "--black": "pytest-black",
    "--mypy": "pytest-mypy", "--pylint": "pytest-pylint", "--ruff": "pytest-ruff", "--checkdocs": "pytest-checkdocs",
    "--strict-asyncio": "pytest-asyncio", "--driver": "pytest-selenium", "--doctest-cython": "pytest-cython",
    "--regtest": "pytest-regtest", "--picked": "pytest-picked", "--subprocess": "pytest-subprocess",
    "--docker": "pytest-docker", "--mongodb": "pytest-mongodb", "--redis": "pytest-redis",
    "--inline-snapshot": "inline-snapshot", "--mypy-config-file": "pytest-mypy", "--mypy-ini-file":
    "pytest-mypy-plugins", "--allclose": "pytest-allclose", "--profile": "pytest-profiling", "--watch": "pytest-watch",
    "--xdoctest": "xdoctest", "--cython": "pytest-cython",
    "--parallel-threads": "pytest-run-parallel", "--codspeed": "pytest-codspeed", "--rich": "pytest-rich",
}  # fmt: skip
"""By the beginning of an option, whole words."""
_SETTINGS: Mapping[str, str] = {
    "asyncio_mode": "pytest-asyncio", "asyncio_default_fixture_loop_scope": "pytest-asyncio", "timeout":
    "pytest-timeout", "timeout_method": "pytest-timeout", "env": "pytest-env", "django_settings_module":
    "pytest-django", "django_find_project": "pytest-django", "qt_api": "pytest-qt", "doctest_plus":
    "pytest-doctestplus", "remote_data_strict": "pytest-remotedata", "mpl-generate-path": "pytest-mpl",
    "twisted": "pytest-twisted", "trio_mode": "pytest-trio", "mock_use_standalone_module": "pytest-mock",
    "mocked-sessions": "pytest-alchemy-mock", "postgresql_exec": "pytest-postgresql", "astropy_header":
    "pytest-astropy-header", "env_files": "pytest-dotenv", "python_paths": "pytest-pythonpath",
    "freezegun_ignore_list": "pytest-freezegun", "flake8-ignore": "pytest-flake8", "flake8-max-line-length":
    "pytest-flake8", "pep8ignore": "pytest-pep8", "httpx_mock": "pytest-httpx", "celery": "pytest-celery",
    "base_url": "pytest-base-url", "mypy_plugins": "pytest-mypy-plugins", "beartype_packages": "pytest-beartype",
}  # fmt: skip
_NAMED = {"xdist": "pytest-xdist", "cov": "pytest-cov", "timeout": "pytest-timeout", "asyncio": "pytest-asyncio"}
_NAMED |= {"randomly": "pytest-randomly", "django": "pytest-django", "sugar": "pytest-sugar", "mock": "pytest-mock"}
_MODULES: Mapping[str, str] = {
    "pytest_cov": "pytest-cov", "xdist": "pytest-xdist", "pytest_asyncio": "pytest-asyncio", "anyio": "anyio",
    "hypothesis": "hypothesis", "mock": "mock", "six": "six", "trustme": "trustme", "pytest_mock": "pytest-mock",
    "pytest_twisted": "pytest-twisted", "freezegun": "freezegun", "responses": "responses", "factory": "factory-boy",
    "faker": "faker", "vcr": "vcrpy", "betamax": "betamax", "httpretty": "httpretty", "requests_mock": "requests-mock",
    "pytest_httpbin": "pytest-httpbin", "httpbin": "httpbin", "webtest": "webtest", "testfixtures": "testfixtures",
    "sybil": "sybil", "moto": "moto", "respx": "respx", "time_machine": "time-machine", "pyfakefs": "pyfakefs",
    "aioresponses": "aioresponses", "proxy": "proxy.py", "uvloop": "uvloop", "pytest_httpserver": "pytest-httpserver",
    "pytest_aiohttp": "pytest-aiohttp", "django_webtest": "django-webtest", "syrupy": "syrupy", "nose": "nose",
    "parameterized": "parameterized", "ddt": "ddt", "pexpect": "pexpect", "trio": "trio", "pytest_trio": "pytest-trio",
    "pytest_lazyfixture": "pytest-lazy-fixture", "pytest_postgresql": "pytest-postgresql",
    "blockbuster": "blockbuster", "inline_snapshot": "inline-snapshot", "dirty_equals": "dirty-equals",
    "pytest_benchmark": "pytest-benchmark", "pytest_django": "pytest-django", "pytest_qt": "pytest-qt",
    "pytestqt": "pytest-qt", "playwright": "playwright", "selenium": "selenium", "flaky": "flaky",
}  # fmt: skip
"""Modules that tests import and no project is about."""


def plugins(sources: Sources) -> list[Finding]:
    """Plugins and libraries of tests that the configuration of pytest and ``conftest.py`` presuppose."""
    return [*_configured(sources), *_imported(sources)]


def _configured(sources: Sources) -> Iterator[Finding]:
    path, section = configuration(sources)
    addopts = section.get("addopts", "")
    words = split_words(addopts) if isinstance(addopts, str) else as_texts(addopts)
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name = _option(word) or (_NAMED.get(following, "") if word == "-p" else "")
        if name:
            yield Finding(name, f"{path} addopts")
    for setting in section:
        if name := _SETTINGS.get(setting.lower(), ""):
            yield Finding(name, f"{path} {setting}")
    wanted = section.get("required_plugins", "")
    for line in split_words(wanted) if isinstance(wanted, str) else as_texts(wanted):
        yield Finding(line, f"{path} required_plugins")


def _option(word: str) -> str:
    if word == "-n" or re.fullmatch(r"-n\s*(\d+|auto|logical)", word):
        return "pytest-xdist"
    name = word.partition("=")[0]
    while name.startswith("--") and len(name) > 2:
        if name in _OPTIONS:
            return _OPTIONS[name]
        name = name.rpartition("-")[0]
    return ""


def configuration(sources: Sources) -> tuple[str, Mapping[str, Any]]:
    """The section that configures pytest, and the file that it is in (pytest documentation, "Configuration")."""
    for path in ("pytest.toml", ".pytest.toml"):
        if sources.has(path):
            return path, at(sources.toml(path), "pytest")
    for path in ("pytest.ini", ".pytest.ini"):
        if sources.has(path):
            return path, sources.ini(path).get("pytest", {})
    pytest = at(sources.toml("pyproject.toml"), "tool", "pytest")
    if pytest:
        return "pyproject.toml", at(pytest, "ini_options") or pytest
    for path, title in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"), ("setup.cfg", "pytest")):
        if title in sources.ini(path):
            return path, sources.ini(path)[title]
    return "", {}


def _imported(sources: Sources) -> Iterator[Finding]:
    tops = {path.partition("/")[0].removesuffix(".py") for path in sources.paths}
    for path in sources.matching("conftest.py", "*/conftest.py"):
        tree = parse_python(sources.text(path))
        named: list[str] = []
        for node in tree.body:
            if isinstance(node, ast.Import):
                named += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                named.append(node.module or "")
        names = Names()
        names.read(tree.body)
        named += [as_text(name) for name in as_list(names.known.get("pytest_plugins"))]
        for module in named:
            top = module.partition(".")[0]
            if top not in tops and (package := _MODULES.get(top, "")):
                yield Finding(package, f"{path} import {top}")
