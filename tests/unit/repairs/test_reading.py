"""How a log is weighed: which attempt counts, whose fault it is, and that hostile text costs little."""

import time
from pathlib import Path

import pytest

from swemill.environment.failures import LOOKED_AT, FailureKind, classify, distribution
from swemill.values import BuildEnd, Phase

LOGS = Path(__file__).parent / "logs"


def test_the_last_attempt_counts_but_not_before_one_with_a_back_end() -> None:
    missing_header, tags = (LOGS / "missing_header.txt").read_text(), (LOGS / "version_from_tags.txt").read_text()
    log = (
        f"\n== uv pip install -e .\n{tags}\n== failed: uv pip install -e .\n"
        f"\n== uv pip install -e .\n{missing_header}\n== failed: uv pip install -e .\n"
        "\n== python setup.py develop --no-deps\nModuleNotFoundError: No module named 'setuptools'\n"
    )
    failure = classify(Phase.PROJECT, log, python="3.9")
    assert (failure.kind, failure.subject) == (FailureKind.MISSING_HEADER, "lber.h")


def test_an_attempt_that_tells_nothing_gives_way_to_one_that_does() -> None:
    log = (
        f"\n== uv pip install -e .\n{(LOGS / 'missing_program.txt').read_text()}\n== failed: uv pip install -e .\n"
        "\n== python setup.py develop --no-deps\nerror: something went wrong\n"
    )
    assert classify(Phase.PROJECT, log, python="3.9").kind == FailureKind.MISSING_PROGRAM


def test_the_package_is_found_although_the_head_of_the_log_is_cut_off() -> None:
    compiled = "gcc -c /tmp/uv-cache/sdists-v11/pypi/gevent/1.4.0/LeA5TeqTvZNxDUBm/src/src/gevent/libev/corecext.c\n"
    error = "src/gevent/libev/corecext.c:18327:66: error: 'PyTypeObject' {aka 'struct _typeobject'} has no member\n"
    log = "error: Failed to build `gevent==1.4.0`\n" + compiled * (LOOKED_AT // 100 + 200) + error
    failure = classify(Phase.ENVIRONMENT, log, python="3.9")
    assert (failure.kind, failure.package) == (FailureKind.C_API_REMOVED, "gevent")


def test_the_line_that_names_the_package_may_lie_far_above_the_end() -> None:
    log = "error: Failed to build `matplotlib==3.4.3`\n" + "gcc -c ft2font.c\n" * LOOKED_AT
    failure = classify(Phase.ENVIRONMENT, log + "a.c:1:1: error: no\n", python="3.9")
    assert (failure.kind, failure.package) == (FailureKind.SOURCE_BUILD_FAILED, "matplotlib")


def test_the_project_itself_is_no_package() -> None:
    log = "error: Failed to build `demo @ file:///testbed`\n  a.c:1:1: fatal error: lber.h: No such file or directory\n"
    assert classify(Phase.PROJECT, log, python="3.9").package == ""


def test_an_unknown_hook_is_the_plugins_fault_whoever_says_so() -> None:
    log = (
        'INTERNALERROR>   File "/opt/venv/lib/python3.9/site-packages/pluggy/_manager.py", line 261, in check_pending\n'
        "INTERNALERROR> pluggy._manager.PluginValidationError: unknown hook 'pytest_funcarg__cov' in plugin "
        "<module 'pytest_cov.plugin' from '/opt/venv/lib/python3.9/site-packages/pytest_cov/plugin.py'>\n"
    )
    failure = classify(Phase.PROBE, log, python="3.9")
    assert (failure.kind, failure.package) == (FailureKind.PLUGIN_TOO_OLD, "pytest-cov")


def test_the_cause_of_most_failures_counts() -> None:
    log = (
        "a.py:1: in <module>\n    import yaml\nE   ModuleNotFoundError: No module named 'yaml'\n"
        + "b.py:1: in <module>\n    import mock\nE   ModuleNotFoundError: No module named 'mock'\n" * 3
        + "c.py:1: in <module>\n    import six\nE   ModuleNotFoundError: No module named 'six'\n"
    )
    assert classify(Phase.PROBE, log, python="3.9").subject == "mock"


@pytest.mark.parametrize(
    ("python", "line", "kind"),
    [
        ("3.9", "E   ModuleNotFoundError: No module named 'imp'", FailureKind.MISSING_MODULE),
        ("3.12", "E   ModuleNotFoundError: No module named 'imp'", FailureKind.REMOVED_STDLIB),
        ("3.11", "re.error: global flags not at the start of the expression at position 3", FailureKind.REMOVED_STDLIB),
        ("3.9", "E   ModuleNotFoundError: No module named 'tomllib'", FailureKind.PYTHON_TOO_OLD),
        ("3.9", "E   ModuleNotFoundError: No module named 'urllib2'", FailureKind.PYTHON2_ONLY),
        ("3.9", "E   ModuleNotFoundError: No module named 'werkzeug.contrib'", FailureKind.REMOVED_API),
        ("3.9", "E   ModuleNotFoundError: No module named 'google.protobuf'", FailureKind.MISSING_MODULE),
        ("3.9", "E   ImportError: cannot import name 'a' from partially initialized module 'b'", FailureKind.UNKNOWN),
    ],
)
def test_whose_module_it_is_decides(python: str, line: str, kind: FailureKind) -> None:
    assert classify(Phase.PROBE, f"test_a.py:1: in <module>\n{line}\n", python=python).kind == kind


def test_a_warning_is_no_failure() -> None:
    log = "/x/pytest.py:1: PytestConfigWarning: Unknown config option: timeout\n1 failed in 0.1s\n"
    assert classify(Phase.PROBE, log, python="3.9").kind == FailureKind.UNKNOWN


def test_a_build_that_was_ended_from_outside_is_not_read() -> None:
    log = "ModuleNotFoundError: No module named 'yaml'"
    assert classify(Phase.PROJECT, log, python="3.9", end=BuildEnd.TIMED_OUT).kind == FailureKind.TIMED_OUT


def test_modules_are_known_by_their_longest_part() -> None:
    assert distribution("google.protobuf.message") == "protobuf"
    assert distribution("yaml.constructor") == "pyyaml"
    assert distribution("Some_Thing.part") == "some-thing"


@pytest.mark.parametrize("phase", [Phase.RESOLVE, Phase.PROBE])
@pytest.mark.parametrize(
    "text",
    [
        "a" * (2 * LOOKED_AT),
        "E   " * LOOKED_AT,
        "No module named '" * LOOKED_AT,
        "Because because you require " * LOOKED_AT,
        "a.c:1:1: error: " * LOOKED_AT,
        "x/y.py:1:\n" * LOOKED_AT,
        "Python >=3.9 but " * LOOKED_AT,
        "No module named 'a.b'\n" * LOOKED_AT,
        "E   ModuleNotFoundError: No module named 'm'\nsite-packages/a.py:1\n" * LOOKED_AT,
        "\x00\ud800\u2028'\"`" * LOOKED_AT,
        "",
    ],
)
def test_hostile_text_is_read_quickly_and_never_raises(phase: Phase, text: str) -> None:
    began = time.monotonic()
    failure = classify(phase, text, python="3.9")
    assert time.monotonic() - began < 3
    assert len(failure.line) <= 300
    assert len(failure.subject) <= 200
