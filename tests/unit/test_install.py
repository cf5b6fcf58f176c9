"""Installation losses are named, and what is the engine's or the index's fault is never one of them."""

import pytest

from swemill.adapters.docker.policy import check_engine, container_arguments
from swemill.errors import ConfigurationError, ForgeUnavailable
from swemill.reasons import Reason
from swemill.stages.install import build_loss, probe_loss
from swemill.values import BuildEnd, BuildResult, Limits, SandboxSpec, TestOutcome, TestReport


def failed(log: str, code: int = 80, end: BuildEnd = BuildEnd.FAILED) -> BuildResult:
    return BuildResult(image=None, end=end, exit_code=code, log=log, seconds=1.0)


def report(outcomes: dict[str, TestOutcome], **more) -> TestReport:
    return TestReport(**{"outcomes": outcomes, "collected": len(outcomes), "finished": True, **more})


@pytest.mark.parametrize(
    "log, end, reason, detail",
    [
        ("error: subprocess\nerror: Failed to build `x`\n", BuildEnd.FAILED, Reason.BUILD_FAILED, "Failed to build"),
        ("  × No solution found when resolving:\n", BuildEnd.FAILED, Reason.DEPENDENCY_CONFLICT, "No solution"),
        ("collecting\n", BuildEnd.OUT_OF_MEMORY, Reason.BUILD_OUT_OF_MEMORY, "memory"),
        ("writing\n", BuildEnd.TOO_LARGE, Reason.BUILD_TOO_LARGE, "more than a build may"),
        ("== the snapshot holds more: 9 objects\n", BuildEnd.FAILED, Reason.BUILD_FAILED, "holds more"),
    ],
)
def test_a_failed_build_names_its_reason(log: str, end: BuildEnd, reason: Reason, detail: str) -> None:
    loss = build_loss(failed(log, end=end), timeout=900)
    assert loss.reason == reason
    assert detail in loss.detail
    assert loss.evidence["build.log"]


def test_a_build_out_of_time_says_how_much_it_had() -> None:
    loss = build_loss(failed("x", 137, BuildEnd.TIMED_OUT), timeout=900)
    assert loss.reason == Reason.BUILD_TIMEOUT
    assert "900 s" in loss.detail


def test_a_silent_index_is_no_verdict() -> None:
    with pytest.raises(ForgeUnavailable, match="PIP_INDEX_URL"):
        build_loss(failed("== the package index does not answer\n", 90), timeout=900)


def test_a_repository_that_prints_the_index_exit_code_still_fails_by_itself() -> None:
    forged = "returned a non-zero code: 90\n"
    assert build_loss(failed(forged, 80), timeout=900).reason == Reason.BUILD_FAILED


@pytest.mark.parametrize(
    "probed, reason",
    [
        (report({"a": TestOutcome.PASSED, "b": TestOutcome.FAILED}), None),
        (report({"a": TestOutcome.PASSED}, finished=False, timed_out=True), None),
        (report({}), Reason.NOTHING_COLLECTED),
        (report({"a": TestOutcome.ERROR}), Reason.NO_TEST_PASSES_AT_BASE),
        (report({}, finished=False, timed_out=True), Reason.TESTS_TIMED_OUT),
        (report({}, finished=False, out_of_memory=True), Reason.TESTS_OUT_OF_MEMORY),
        (report({}, finished=False, exit_code=4), Reason.NO_REPORT),
        (report({}, finished=False, collected=3, running="a", exit_code=139), Reason.TESTS_CRASHED),
    ],
)
def test_the_probe_wants_one_passing_test(probed: TestReport, reason: Reason | None) -> None:
    loss = probe_loss(probed)
    assert (loss.reason if loss else None) == reason


# --- the container policy, as a pure function ---

SPEC = SandboxSpec(
    name="n", image="i", limits=Limits(), effect_key="k", stage="validate", subject="s", env={"HOME": "/x"}
)


def test_the_policy_confines_and_mounts_nothing() -> None:
    arguments = container_arguments(SPEC, runtime="runsc")
    host = arguments.host_config
    assert host["network_mode"] == "none"
    assert host["cap_drop"] == ["ALL"]
    assert host["security_opt"] == ["no-new-privileges:true"]
    assert host["read_only"] is True
    assert host["mem_limit"] == host["memswap_limit"] == SPEC.limits.memory_bytes
    assert host["pids_limit"] == SPEC.limits.pids
    assert host["nano_cpus"] == 1_000_000_000
    assert host["runtime"] == "runsc"
    assert not host["binds"]
    assert not {"mounts", "devices", "volumes_from", "cap_add"} & set(host)
    assert all("size=" in options and "uid=1000" in options for options in host["tmpfs"].values())


def test_the_container_ends_by_itself_and_can_be_found() -> None:
    container = container_arguments(SPEC).container
    assert [*container["entrypoint"], *container["command"]] == ["/bin/sleep", "3600"]
    assert container["user"] not in ("", "0", "root", "1000:1000")
    assert container["environment"]["HOME"] == "/tmp"
    labels = container["labels"]
    assert labels["swemill"] == "1"
    assert labels["swemill.effect_key"] == "k"


@pytest.mark.parametrize(
    "info, named",
    [
        ({"Runtimes": {"runc": {}}, "SecurityOptions": ["name=seccomp,profile=default"]}, "runsc"),
        ({"Runtimes": {"runsc": {}}, "SecurityOptions": []}, "seccomp"),
        ({"Runtimes": {"runsc": {}}, "SecurityOptions": ["name=seccomp,profile=unconfined"]}, "seccomp"),
    ],
)
def test_an_engine_that_cannot_honour_the_policy_is_refused(info: dict, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        check_engine(info, runtime="runsc")
