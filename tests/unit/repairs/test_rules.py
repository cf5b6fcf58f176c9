"""Every kind of failure, read from a real log, and what the first rule for it makes of a candidate.

A log in ``logs/`` is an extract of what a tool really wrote; its name begins with the kind that it shows. To add a
rule: a log, and a line in ``CASES``.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from swemill.environment.failures import FailureKind, classify
from swemill.environment.repairs import RULES, UNREPAIRABLE, repair
from swemill.values import Candidate, Failure, Phase

LOGS = Path(__file__).parent / "logs"
PYTHONS = ("3.9", "3.11", "3.13")
AS_OF = datetime(2018, 7, 1, tzinfo=UTC)
SETTLED_39 = datetime(2021, 10, 5, tzinfo=UTC)
SETTLED_312 = datetime(2024, 10, 1, tzinfo=UTC)
SETTLED_313 = datetime(2025, 10, 7, tzinfo=UTC)
ALWAYS = datetime(2100, 1, 1, tzinfo=UTC)
BUILD, TESTS, RESOLVE = Phase.PROJECT, Phase.PROBE, Phase.RESOLVE
REQUIREMENTS = (
    "setuptools",
    "pytest==3.0",
    "numpy==1.16.0",
    "jinja2>=3.1",
    "some-such-package-at-all",
    "requests==99.1",
)
CFLAGS = (
    "-Wno-error=implicit-function-declaration -Wno-error=incompatible-pointer-types -Wno-error=int-conversion "
    "-Wno-error=implicit-int"
)


def loosened(name: str) -> tuple[str, ...]:
    return tuple(name if line.startswith(name) else line for line in REQUIREMENTS)


def inside(*build_requires: str) -> dict[str, Any]:
    return {"build_isolation": False, "build_requires": build_requires}


# log, phase, Python, subject, package, name of the rule, what it changes
CASES: list[tuple[str, Phase, str, str, str, str, dict[str, Any]]] = [
    (
        "no_such_package",
        RESOLVE,
        "3.9",
        "some-such-package-at-all",
        "",
        "without some-such-package-at-all",
        {"requirements": ("setuptools", "pytest==3.0", "numpy==1.16.0", "jinja2>=3.1", "requests==99.1")},
    ),
    (
        "no_such_package_of_the_project",
        RESOLVE,
        "3.9",
        "asottile-ordereddict",
        "",
        "whoever asks for it, without asottile-ordereddict",
        {"overrides": ('asottile-ordereddict ; python_version < "0"',)},
    ),
    ("no_version", RESOLVE, "3.9", "requests", "", "any version of requests", {"requirements": loosened("requests")}),
    ("no_version_as_of", RESOLVE, "3.9", "pytest", "", "as young as needed pytest", {"lifted": {"pytest": SETTLED_39}}),
    (
        "no_version_as_of_deleted",
        RESOLVE,
        "3.9",
        "atomicwrites",
        "",
        "as young as needed atomicwrites",
        {"lifted": {"atomicwrites": SETTLED_39}},
    ),
    (
        "no_version_as_of_in_build",
        RESOLVE,
        "3.9",
        "setuptools",
        "numpy",
        "as young as needed setuptools",
        {"lifted": {"setuptools": SETTLED_39}},
    ),
    (
        "no_version_as_of_of_a_kind",
        RESOLVE,
        "3.9",
        "twisted",
        "",
        "as young as needed twisted",
        {"lifted": {"twisted": SETTLED_39}},
    ),
    (
        "missing_submodule",
        RESOLVE,
        "3.11",
        "",
        "",
        "without what needs submodules",
        {
            "environment": {
                f"{name}_NO_EXTENSIONS": "1" for name in ("AIOHTTP", "MULTIDICT", "YARL", "FROZENLIST", "PROPCACHE")
            }
        },
    ),
    (
        "setuptools_too_new_2to3",
        RESOLVE,
        "3.9",
        "use_2to3",
        "",
        "older setuptools for use_2to3",
        {"constraints": ("setuptools<58",)},
    ),
    ("invalid_version", RESOLVE, "3.9", "version", "", "built under another version", {"valid_version": True}),
    (
        "invalid_version_by_setuptools",
        RESOLVE,
        "3.9",
        "version",
        "",
        "built under another version",
        {"valid_version": True},
    ),
    (
        "missing_header_of_python",
        BUILD,
        "3.9",
        "Python.h",
        "",
        "where to find Python.h",
        {"environment": {"CPATH": "/usr/include/python3.9:/usr/local/include/python3.9"}},
    ),
    ("no_wheel", RESOLVE, "3.9", "numpy", "", "any version of numpy", {"requirements": loosened("numpy")}),
    ("version_conflict", RESOLVE, "3.9", "jinja2", "", "any version of jinja2", {"requirements": loosened("jinja2")}),
    ("bad_metadata", RESOLVE, "3.9", "pandas", "", "as young as needed pandas", {"lifted": {"pandas": SETTLED_39}}),
    (
        "bad_metadata_of_a_file_name",
        RESOLVE,
        "3.9",
        "twisted",
        "",
        "as young as needed twisted",
        {"lifted": {"twisted": SETTLED_39}},
    ),
    ("python_too_old_for_package", RESOLVE, "3.9", "3.10", "", "Python from 3.10", {"python": "3.11"}),
    ("python_too_old_for_code", TESTS, "3.9", "3.11", "", "Python from 3.11", {"python": "3.11"}),
    (
        "python_too_new",
        BUILD,
        "3.13",
        "3.11",
        "llvmlite",
        "as young as Python llvmlite",
        {"lifted": {"llvmlite": SETTLED_313}},
    ),
    ("not_on_index", RESOLVE, "3.9", "x", "x", "over all else: x", {"overrides": ("x",)}),
    ("unknown_group", RESOLVE, "3.9", "dev", "", "without group dev", {"groups": ()}),
    ("not_a_project", BUILD, "3.9", "", "", "nothing to install", {"has_project": False, "groups": ()}),
    (
        "missing_header",
        BUILD,
        "3.9",
        "lber.h",
        "python-ldap",
        "system package for lber.h",
        {"system_packages": ("libldap2-dev",)},
    ),
    (
        "missing_library_at_link",
        BUILD,
        "3.9",
        "hdf5",
        "",
        "system package for hdf5",
        {"system_packages": ("libhdf5-dev",)},
    ),
    (
        "missing_library_at_import",
        TESTS,
        "3.9",
        "GL",
        "opencv-python-headless",
        "system package for GL",
        {"system_packages": ("libgl1",)},
    ),
    (
        "missing_library_by_name",
        TESTS,
        "3.9",
        "cairo",
        "cairocffi",
        "system package for cairo",
        {"system_packages": ("libcairo2-dev",)},
    ),
    (
        "missing_library_in_setup",
        BUILD,
        "3.9",
        "jpeg",
        "pillow",
        "system package for jpeg",
        {"system_packages": ("libjpeg-dev",)},
    ),
    (
        "missing_pkg_config",
        BUILD,
        "3.9",
        "cairo",
        "pycairo",
        "system package for cairo",
        {"system_packages": ("libcairo2-dev",)},
    ),
    (
        "missing_program",
        BUILD,
        "3.9",
        "pg_config",
        "psycopg2",
        "system package for pg_config",
        {"system_packages": ("libpq-dev",)},
    ),
    (
        "missing_program_rust",
        BUILD,
        "3.9",
        "rustc",
        "cryptography",
        "system package for rustc",
        {"system_packages": ("cargo", "rustc")},
    ),
    (
        "missing_program_swig",
        BUILD,
        "3.9",
        "swig",
        "m2crypto",
        "system package for swig",
        {"system_packages": ("swig",)},
    ),
    (
        "c_api_removed",
        BUILD,
        "3.9",
        "_Py_DEC_REFTOTAL",
        "greenlet",
        "as young as Python greenlet",
        {"lifted": {"greenlet": SETTLED_39}},
    ),
    (
        "c_api_removed_header",
        BUILD,
        "3.12",
        "longintrepr.h",
        "lxml",
        "as young as Python lxml",
        {"lifted": {"lxml": SETTLED_312}},
    ),
    (
        "compiler_too_strict",
        BUILD,
        "3.9",
        "int-conversion",
        "",
        "warnings as before int-conversion",
        {"environment": {"CFLAGS": CFLAGS}},
    ),
    ("cython_too_new", BUILD, "3.9", "", "pyyaml", "Cython 0.29", {"constraints": ("cython<3",)}),
    (
        "setuptools_too_new_use_2to3",
        BUILD,
        "3.9",
        "use_2to3",
        "anyjson",
        "older setuptools for use_2to3",
        {"constraints": ("setuptools<58",)},
    ),
    (
        "setuptools_too_new_feature",
        BUILD,
        "3.9",
        "Feature",
        "markupsafe",
        "older setuptools for Feature",
        {"constraints": ("setuptools<46",)},
    ),
    (
        "setuptools_too_new_requirements",
        BUILD,
        "3.9",
        "requirements",
        "",
        "older setuptools for requirements",
        {"constraints": ("setuptools<66",)},
    ),
    (
        "setuptools_too_new_flat_layout",
        BUILD,
        "3.9",
        "flat-layout",
        "",
        "older setuptools for flat-layout",
        {"constraints": ("setuptools<61",)},
    ),
    (
        "setuptools_too_new_msvc",
        BUILD,
        "3.9",
        "distutils.msvccompiler",
        "scipy",
        "older setuptools for distutils.msvccompiler",
        {"constraints": ("setuptools<74",)},
    ),
    (
        "back_end_too_old",
        BUILD,
        "3.9",
        "setuptools",
        "",
        "younger back end setuptools",
        {"lifted": {"setuptools": ALWAYS}, "build_isolation": False, "build_requires": ("wheel", "setuptools>=77")},
    ),
    (
        "editable_unsupported",
        BUILD,
        "3.9",
        "flit-core",
        "",
        "editable with flit-core",
        {
            "lifted": {"flit-core": ALWAYS},
            "build_isolation": False,
            "build_requires": ("setuptools", "wheel", "flit-core>=3.4"),
        },
    ),
    (
        "pkg_resources_missing",
        BUILD,
        "3.9",
        "pkg_resources",
        "scikit-learn",
        "setuptools with pkg_resources",
        {"constraints": ("setuptools<81",)},
    ),
    (
        "pkg_resources_missing_in_tests",
        TESTS,
        "3.9",
        "pkg_resources",
        "setuptools",
        "setuptools with pkg_resources",
        {"constraints": ("setuptools<81",)},
    ),
    ("distutils_missing", TESTS, "3.12", "distutils", "", "Python that has distutils", {"python": "3.11"}),
    (
        "distutils_missing_in_build",
        BUILD,
        "3.12",
        "distutils",
        "pyyaml",
        "setuptools in place of distutils distutils",
        {"lifted": {"setuptools": ALWAYS}},
    ),
    (
        "build_needs_module",
        BUILD,
        "3.9",
        "numpy",
        "",
        "build inside the environment with numpy",
        inside("setuptools", "wheel", "numpy"),
    ),
    (
        "build_needs_module_of_dependency",
        BUILD,
        "3.9",
        "Cython",
        "h5py",
        "as young as Python h5py",
        {"lifted": {"h5py": SETTLED_39}},
    ),
    (
        "version_from_tags",
        BUILD,
        "3.9",
        "vcs",
        "",
        "older setuptools-scm for vcs",
        {"constraints": ("setuptools-scm<8",)},
    ),
    (
        "missing_file",
        BUILD,
        "3.9",
        "aiohttp/_websocket.c",
        "",
        "without C extensions aiohttp/_websocket.c",
        {"environment": {"AIOHTTP_NO_EXTENSIONS": "1"}},
    ),
    ("source_build_failed", BUILD, "3.9", "", "scipy", "as young as Python scipy", {"lifted": {"scipy": SETTLED_39}}),
    (
        "python2_only",
        BUILD,
        "3.9",
        "ConfigParser",
        "mysql-python",
        "as young as Python mysql-python",
        {"lifted": {"mysql-python": SETTLED_39}},
    ),
    (
        "removed_stdlib",
        TESTS,
        "3.11",
        "inspect.getargspec",
        "",
        "Python that has inspect.getargspec",
        {"python": "3.9"},
    ),
    (
        "removed_stdlib_of_dependency",
        TESTS,
        "3.12",
        "inspect.formatargspec",
        "wrapt",
        "as young as Python wrapt",
        {"lifted": {"wrapt": SETTLED_312}},
    ),
    (
        "removed_stdlib_unittest",
        TESTS,
        "3.12",
        "unittest.assertEquals",
        "",
        "Python that has unittest.assertEquals",
        {"python": "3.11"},
    ),
    ("syntax_error", BUILD, "3.9", "invalid syntax", "", "", {}),
    ("out_of_memory", BUILD, "3.9", "", "", "", {}),
    ("timed_out", TESTS, "3.9", "", "", "", {}),
    ("missing_module", TESTS, "3.9", "nose", "", "distribution of nose", {"requirements": (*REQUIREMENTS, "nose")}),
    (
        "missing_module_conftest",
        TESTS,
        "3.9",
        "nose",
        "",
        "distribution of nose",
        {"requirements": (*REQUIREMENTS, "nose")},
    ),
    (
        "removed_api",
        TESTS,
        "3.9",
        "jinja2.Markup",
        "flask",
        "the release that has jinja2.Markup",
        {"requirements": loosened("jinja2"), "constraints": ("jinja2<3.1",)},
    ),
    (
        "removed_api_markupsafe",
        TESTS,
        "3.9",
        "markupsafe.soft_unicode",
        "jinja2",
        "the release that has markupsafe.soft_unicode",
        {"constraints": ("markupsafe<2.1",)},
    ),
    (
        "removed_api_attrs",
        TESTS,
        "3.9",
        "attr.ib.convert",
        "pytest",
        "the release that has attr.ib.convert",
        {"constraints": ("attrs<19.2",)},
    ),
    ("dependency_too_old", TESTS, "3.9", "attrs", "pytest", "younger attrs", {"lifted": {"attrs": SETTLED_39}}),
    (
        "dependency_fails",
        TESTS,
        "3.9",
        "KeyError",
        "coverage",
        "as young as Python coverage",
        {"lifted": {"coverage": SETTLED_39}},
    ),
    (
        "numpy_abi",
        TESTS,
        "3.9",
        "dtype",
        "",
        "younger numpy dtype",
        {"lifted": {"numpy": ALWAYS}, "requirements": loosened("numpy")},
    ),
    (
        "numpy_too_new",
        TESTS,
        "3.9",
        "float",
        "numpy",
        "numpy that has float",
        {"requirements": loosened("numpy"), "constraints": ("numpy<1.24",)},
    ),
    (
        "numpy_too_new_2",
        TESTS,
        "3.9",
        "float_",
        "numpy",
        "numpy that has float_",
        {"requirements": loosened("numpy"), "constraints": ("numpy<2",)},
    ),
    (
        "pytest_too_new_config",
        TESTS,
        "3.9",
        "pytest.config",
        "",
        "older pytest for pytest.config",
        {"requirements": loosened("pytest"), "constraints": ("pytest<5",)},
    ),
    (
        "pytest_too_new_setup_cfg",
        TESTS,
        "3.9",
        "setup.cfg section",
        "pytest",
        "older pytest for setup.cfg section",
        {"requirements": loosened("pytest"), "constraints": ("pytest<4",)},
    ),
    (
        "pytest_too_new_warning",
        TESTS,
        "3.12",
        "9",
        "pytest",
        "older pytest for 9",
        {"requirements": loosened("pytest"), "constraints": ("pytest<9",)},
    ),
    (
        "pytest_too_old",
        TESTS,
        "3.12",
        "",
        "pytest",
        "younger pytest",
        {"lifted": {"pytest": ALWAYS}, "requirements": loosened("pytest"), "overrides": ("pytest>=7.3",)},
    ),
    (
        "pytest_too_old_minversion",
        TESTS,
        "3.9",
        "7.0",
        "pytest",
        "younger pytest 7.0",
        {"lifted": {"pytest": ALWAYS}, "requirements": loosened("pytest"), "overrides": ("pytest>=7.0",)},
    ),
    (
        "pytest_too_old_for_the_reporter",
        TESTS,
        "3.9",
        "3.0",
        "",
        "younger pytest 3.0",
        {"lifted": {"pytest": ALWAYS}, "requirements": loosened("pytest"), "overrides": ("pytest>=3.0",)},
    ),
    (
        "pytest_too_old_rootdir",
        TESTS,
        "3.9",
        "3.0",
        "",
        "younger pytest 3.0",
        {"lifted": {"pytest": ALWAYS}, "requirements": loosened("pytest"), "overrides": ("pytest>=3.0",)},
    ),
    (
        "plugin_too_old",
        TESTS,
        "3.9",
        "direct construction",
        "sqlalchemy",
        "as young as Python sqlalchemy",
        {"lifted": {"sqlalchemy": SETTLED_39}},
    ),
    (
        "missing_plugin_fixture",
        TESTS,
        "3.9",
        "fixture mocker",
        "",
        "plugin for fixture mocker",
        {"requirements": (*REQUIREMENTS, "pytest-mock")},
    ),
    (
        "missing_plugin_option",
        TESTS,
        "3.9",
        "option --cov",
        "",
        "plugin for option --cov",
        {"requirements": (*REQUIREMENTS, "pytest-cov")},
    ),
    ("missing_plugin_marker", TESTS, "3.9", "marker slow", "", "", {}),
    (
        "missing_plugin_required",
        TESTS,
        "3.9",
        "plugin pytest-django",
        "",
        "plugin for plugin pytest-django",
        {"requirements": (*REQUIREMENTS, "pytest-django")},
    ),
    (
        "missing_plugin_setting",
        TESTS,
        "3.9",
        "setting asyncio_mode",
        "",
        "plugin for setting asyncio_mode",
        {"requirements": (*REQUIREMENTS, "pytest-asyncio")},
    ),
    (
        "warning_as_error",
        TESTS,
        "3.9",
        "DeprecationWarning: pkg_resources is deprecated as an API. See https://setuptools.pypa.io/en/latest/pkg_resources.html",
        "setuptools",
        "setuptools before it warned of DeprecationWarning: pkg_resources is deprecated as an API. See https://setuptool",
        {"constraints": ("setuptools<67.3",)},
    ),
    ("needs_network", TESTS, "3.9", "", "", "", {}),
    ("needs_service", TESTS, "3.9", "redis", "", "", {}),
    ("locale", TESTS, "3.9", "", "", "all locales", {"system_packages": ("locales-all",)}),
    (
        "display",
        TESTS,
        "3.9",
        "",
        "",
        "windows that are not shown",
        {"environment": {"QT_QPA_PLATFORM": "offscreen", "MPLBACKEND": "Agg", "SDL_VIDEODRIVER": "dummy"}},
    ),
    (
        "missing_file_cython",
        BUILD,
        "3.9",
        "ext/_yaml.c",
        "",
        "Cython for ext/_yaml.c",
        inside("setuptools", "wheel", "cython<3"),
    ),
    (
        "build_needs_module_cython",
        BUILD,
        "3.9",
        "Cython",
        "",
        "build inside the environment with Cython",
        inside("setuptools", "wheel", "cython"),
    ),
    (
        "missing_library_in_project",
        BUILD,
        "3.9",
        "geos_c",
        "",
        "system package for geos_c",
        {"system_packages": ("libgeos-dev",)},
    ),
    (
        "c_api_removed_of_pyyaml",
        BUILD,
        "3.9",
        "PyTypeObject",
        "pyyaml",
        "as young as Python pyyaml",
        {"lifted": {"pyyaml": SETTLED_39}},
    ),
    ("not_configured", TESTS, "3.9", "", "django", "", {}),
    ("import_mismatch", TESTS, "3.9", "", "", "", {}),
    ("crashed", TESTS, "3.9", "", "", "", {}),
    ("nothing_collected", TESTS, "3.9", "", "", "", {}),
    ("disk_full", BUILD, "3.9", "", "", "", {}),
]


def candidate(python: str = "3.9", **changes: Any) -> Candidate:
    return Candidate(python=python, as_of=AS_OF, requirements=REQUIREMENTS, groups=("dev",), **changes)


def kind_of(log: str) -> FailureKind:
    """The kind that a log is named after: the longest that its name begins with."""
    return max((kind for kind in FailureKind if log.startswith(kind)), key=len)


def read(log: str, phase: Phase, python: str) -> Failure:
    return classify(phase, (LOGS / f"{log}.txt").read_text(), python=python)


@pytest.mark.parametrize(("log", "phase", "python", "subject", "package", "rule", "change"), CASES)
def test_a_log_is_named_and_answered(
    log: str, phase: Phase, python: str, subject: str, package: str, rule: str, change: dict[str, Any]
) -> None:
    failure = read(log, phase, python)
    assert (failure.kind, failure.subject, failure.package) == (kind_of(log), subject, package)
    assert failure.line
    before = candidate(python)
    after = repair(before, failure, pythons=PYTHONS)
    if not rule:
        assert after is None
        return
    assert after is not None
    assert after.rules == (rule,)
    changed = {name for name in Candidate.__dataclass_fields__ if getattr(after, name) != getattr(before, name)}
    if after.python != before.python:
        assert after.lifted["pytest"] > AS_OF  # what is bound to the interpreter is dated anew
        changed.discard("lifted")
    assert {name: getattr(after, name) for name in changed - {"rules"}} == change


def test_every_log_is_a_case_and_short() -> None:
    logs = {path.stem: path.read_text() for path in LOGS.glob("*.txt")}
    assert set(logs) == {case[0] for case in CASES}
    assert max(text.count("\n") for text in logs.values()) < 60


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind is not FailureKind.UNKNOWN])
def test_every_kind_has_a_log_and_a_rule_or_a_reason(kind: FailureKind) -> None:
    assert [case for case in CASES if kind_of(case[0]) is kind]
    assert (kind in RULES) != (kind in UNREPAIRABLE)


@pytest.mark.parametrize(("log", "phase", "python"), [case[:3] for case in CASES])
def test_the_same_rule_never_helps_twice_and_the_rules_come_to_an_end(log: str, phase: Phase, python: str) -> None:
    failure = read(log, phase, python)
    tried: Candidate | None = candidate(python)
    steps = 0
    while tried is not None:
        last, tried = tried, repair(tried, failure, pythons=PYTHONS)
        steps += 1
        assert tried != last
        assert steps < 10
    assert len(set(last.rules)) == len(last.rules)
