"""pytest too young for the suite, or too old for Python."""

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.failures import minor
from swemill.environment.repairs.changes import WITHOUT_LIMIT, lift, loosen, override, sink
from swemill.environment.repairs.floors import held
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure

GONE_IN = {
    "setup.cfg section": "4",
    "pytest_namespace": "4",
    "pytest_report_header": "7",
    "pytest_warning_captured": "8",
    "fixture called directly": "4",
    "yield test": "4",
    "fixture name": "4",
    "get_marker": "4",
    "_fixtureinfo": "6",
    "message": "5",
    "warns(None)": "7",
    "direct construction": "6",
    "pytest.config": "5",
    "pytest.Testdir": "7",
    "pytest.collect": "8",
    "pytest.Instance": "8",
    "_pytest.mark.MarkInfo": "4",
    "_pytest.monkeypatch.monkeypatch": "4",
    "_pytest.tmpdir": "7",
    "_pytest.compat": "7",
    "_pytest.python.Instance": "8",
    "_pytest.runner.Skipped": "4",
    "_pytest.nodes.FSCollector": "7",
}
"""What pytest dropped -> the first version without it (pytest's "Deprecations and Removals")."""
_FROM = {8: "4.6", 9: "5.4", 10: "6.2.5", 12: "7.3", 14: "8.4"}
"""Minor version of Python 3 -> the oldest pytest that rewrites assertions on it."""


@rule(Kind.PYTEST_TOO_NEW, name="older pytest for")
def older_pytest(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Hold pytest below the version that dropped it; ``PytestRemovedIn8Warning`` tells that itself."""
    version = failure.subject if failure.subject.isdigit() else GONE_IN.get(failure.subject, "")
    return held(candidate, f"pytest<{version}", means) if version else None


@rule(Kind.PYTEST_TOO_NEW, Kind.DEPENDENCY_TOO_OLD, name="pytest of the commit for")
def pytest_of_the_commit(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """It worked with the pytest of its day."""
    del failure, means
    return sink(sink(sink(candidate, "pytest"), "pluggy"), "py")


@rule(Kind.PYTEST_TOO_NEW, Kind.PLUGIN_TOO_OLD, Kind.DEPENDENCY_TOO_OLD, name="pytest before 6 for")
def pytest_before_6(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Most of what suites and plugins relied on went with pytest 6."""
    del failure
    return held(candidate, "pytest<6", means)


@rule(Kind.PYTEST_TOO_OLD, name="younger pytest")
def younger_pytest(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """At least the version that the configuration asks for, or that this Python needs; over what is pinned."""
    del means
    reached = [number for number in _FROM if number <= minor(candidate.python)]
    needed = failure.subject if failure.subject[:1].isdigit() else (_FROM[max(reached)] if reached else "")
    younger = lift(loosen(candidate, "pytest"), "pytest", WITHOUT_LIMIT)
    return override(younger, f"pytest>={needed}") if needed else younger
