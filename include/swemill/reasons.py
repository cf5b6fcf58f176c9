"""The one taxonomy of stages and of reasons for which an item is lost.

A loss is a row with one of these names, so the funnel and its losses are one GROUP BY. Each reason carries the stage
where it arises and advice for the person who reads ``swemill explain``.
"""

from enum import StrEnum


class Stage(StrEnum):
    """The verbs that leave attempts behind, in the order of the pipeline."""

    DISCOVER = "discover"
    HARVEST = "harvest"
    INSTALL = "install"
    VALIDATE = "validate"
    REVALIDATE = "revalidate"
    ROLLOUT = "rollout"
    JUDGE = "judge"
    RELEASE = "release"
    TRAIN = "train"
    EVALUATE = "evaluate"


class Reason(StrEnum):
    """Why an item was lost. The value is what the database and the funnel show."""

    # discover: repository
    FORK = "fork"
    ARCHIVED = "archived"
    NO_LICENCE = "no_licence"
    LICENCE_NOT_PERMISSIVE = "licence_not_permissive"
    NO_TESTS = "no_tests"
    EMPTY_REPOSITORY = "empty_repository"
    IN_EVALUATION_SET = "in_evaluation_set"
    NAME_TAKEN = "name_taken"
    # harvest: source and pull request
    MALFORMED_RECORD = "malformed_record"
    MISSING_REPOSITORY = "missing_repository"
    MISSING_COMMIT = "missing_commit"
    NO_SDIST = "no_sdist"
    UNREADABLE_SDIST = "unreadable_sdist"
    NOT_MERGED = "not_merged"
    NO_LINKED_ISSUE = "no_linked_issue"
    EMPTY_STATEMENT = "empty_statement"
    NO_TEST_CHANGE = "no_test_change"
    NO_CODE_CHANGE = "no_code_change"
    PATCH_TOO_LARGE = "patch_too_large"
    STATEMENT_IN_EVALUATION_SET = "statement_in_evaluation_set"
    PATCH_IN_EVALUATION_SET = "patch_in_evaluation_set"
    # install
    BUILD_FAILED = "build_failed"
    DEPENDENCY_CONFLICT = "dependency_conflict"
    BUILD_TIMEOUT = "build_timeout"
    BUILD_OUT_OF_MEMORY = "build_out_of_memory"
    BUILD_TOO_LARGE = "build_too_large"
    NO_NEIGHBOUR = "no_neighbour"
    LEAKS_FUTURE = "leaks_future"
    PROPOSAL_REFUSED = "proposal_refused"
    NO_PROPOSAL = "no_proposal"
    NOTHING_COLLECTED = "nothing_collected"
    NO_TEST_PASSES_AT_BASE = "no_test_passes_at_base"
    # validate
    TEST_PATCH_DOES_NOT_APPLY = "test_patch_does_not_apply"
    GOLD_PATCH_DOES_NOT_APPLY = "gold_patch_does_not_apply"
    NO_FAIL_TO_PASS = "no_fail_to_pass"
    NO_PASS_TO_PASS = "no_pass_to_pass"
    GOLD_BREAKS_TESTS = "gold_breaks_tests"
    FLAKY_FAIL_TO_PASS = "flaky_fail_to_pass"
    TESTS_TIMED_OUT = "tests_timed_out"
    TESTS_OUT_OF_MEMORY = "tests_out_of_memory"
    TESTS_CRASHED = "tests_crashed"
    NO_REPORT = "no_report"
    TAMPERED = "tampered"
    # admit
    PASSES_WITHOUT_PATCH = "passes_without_patch"
    GOLD_NOT_RESOLVED = "gold_not_resolved"
    # revalidate
    ROTTED = "rotted"
    TIME_BOMB = "time_bomb"
    DEPENDS_ON_MACHINE = "depends_on_machine"
    # rollout
    EMPTY_PATCH = "empty_patch"
    TURN_LIMIT = "turn_limit"
    COST_LIMIT = "cost_limit"
    TIME_LIMIT = "time_limit"
    CONTEXT_OVERFLOW = "context_overflow"
    MALFORMED_ANSWERS = "malformed_answers"
    AGENT_CRASHED = "agent_crashed"
    # judge
    PATCH_DOES_NOT_APPLY = "patch_does_not_apply"
    FAIL_TO_PASS_FAILED = "fail_to_pass_failed"
    PASS_TO_PASS_FAILED = "pass_to_pass_failed"
    # release
    HELD_OUT = "held_out"
    DUPLICATE = "duplicate"
    CAP_REACHED = "cap_reached"
    # train
    TRAINING_FAILED = "training_failed"


ADVICE: dict[Reason, str] = {
    Reason.FORK: "Its pull requests belong to the repository it was forked from; discover that one.",
    Reason.ARCHIVED: "Nobody works on it any more. To harvest its history all the same: `swemill discover --repository OWNER/NAME`.",
    Reason.NO_LICENCE: "Without a licence file the code may not be redistributed.",
    Reason.LICENCE_NOT_PERMISSIVE: "The licence is not in the list of permissive ones (config/licences.toml).",
    Reason.NO_TESTS: "No test folder, test file or test configuration near the top of the repository.",
    Reason.EMPTY_REPOSITORY: "The repository has no commit yet.",
    Reason.IN_EVALUATION_SET: "The evaluation set in the detail (config/evaluation/, SWEMILL_EVALUATION_DIR) claims it: training on it would leak.",
    Reason.NAME_TAKEN: "Another repository was harvested under this name before; instance ids would collide.",
    Reason.MALFORMED_RECORD: "Repair the line named in the detail; harvest again: good lines are not repeated. GitHub's: once it is updated it is listed again.",
    Reason.MISSING_REPOSITORY: "Archive: copy the bare mirror to repos/<owner>/<name>.git (git clone --mirror) and harvest again. GitHub: deleted, closed, misspelt, or not for these credentials.",
    Reason.MISSING_COMMIT: "Archive: the mirror lacks a commit that is needed; fetch it (git fetch origin 'refs/pull/*/head') and harvest again. GitHub: it has the commit no more.",
    Reason.NO_SDIST: "The package publishes no source distribution for this version; choose another step.",
    Reason.UNREADABLE_SDIST: "The source distribution is not a readable tar or zip archive, or breaks a size limit.",
    Reason.NOT_MERGED: "Only merged pull requests carry a reviewed fix.",
    Reason.NO_LINKED_ISSUE: "No issue is linked and no closing keyword was found.",
    Reason.EMPTY_STATEMENT: "No problem statement could be found: no issue text, commit message or changelog entry.",
    Reason.NO_TEST_CHANGE: "The change touches no test file, so nothing can show that it works.",
    Reason.NO_CODE_CHANGE: "The change touches tests and documentation only, so there is nothing to solve.",
    Reason.PATCH_TOO_LARGE: "The patch exceeds the size limit (SWEMILL_MAX_PATCH_BYTES).",
    Reason.STATEMENT_IN_EVALUATION_SET: "The statement is, or nearly is, that of the evaluation instance named in the detail.",
    Reason.PATCH_IN_EVALUATION_SET: "The change is that of the evaluation instance named in the detail.",
    Reason.BUILD_FAILED: "Read the build log's tail. Each strategy of the ladder is an attempt of its own: see the others.",
    Reason.DEPENDENCY_CONFLICT: "The resolver found no set of versions. The strategy `dated` resolves as of the base commit.",
    Reason.BUILD_TIMEOUT: "Raise SWEMILL_BUILD_TIMEOUT, or see in the log what the build waits for.",
    Reason.BUILD_OUT_OF_MEMORY: "A step was killed for memory. Raise SWEMILL_SANDBOX_MEMORY.",
    Reason.BUILD_TOO_LARGE: "It wrote more than a build may. Raise SWEMILL_BUILD_DISK.",
    Reason.NO_NEIGHBOUR: "No other commit of the repository has an environment that works yet; try again when one has.",
    Reason.LEAKS_FUTURE: "The image's repository holds more than the base commit: see the list in the evidence.",
    Reason.PROPOSAL_REFUSED: "The model's Dockerfile asks for what a build may not do, or pretends success: see the detail.",
    Reason.NO_PROPOSAL: "The model used its budget (policy limits) without a Dockerfile that works.",
    Reason.NOTHING_COLLECTED: "pytest collected no test: look for import errors in the log's tail.",
    Reason.NO_TEST_PASSES_AT_BASE: "The suite runs but nothing passes at the base commit: the environment is likely wrong.",
    Reason.TEST_PATCH_DOES_NOT_APPLY: "The test patch does not fit the base commit: the base commit was inferred wrongly.",
    Reason.GOLD_PATCH_DOES_NOT_APPLY: "The base commit was inferred wrongly, or the tests change the files: see the detail.",
    Reason.NO_FAIL_TO_PASS: "No test turns from failing to passing: the tests do not show the change.",
    Reason.NO_PASS_TO_PASS: "No test passes both before and after: nothing guards against breaking the rest.",
    Reason.GOLD_BREAKS_TESTS: "Tests that passed before fail with the gold patch: flaky, or the environment is off.",
    Reason.FLAKY_FAIL_TO_PASS: "A test that the gold patch turns green does so in some rounds only: nobody could be judged by it. See `swemill flakes`.",
    Reason.TESTS_TIMED_OUT: "A run outlived its wall clock; the test named in the detail was running. Raise SWEMILL_TEST_TIMEOUT.",
    Reason.TESTS_OUT_OF_MEMORY: "A run was killed for memory. Raise SWEMILL_SANDBOX_MEMORY.",
    Reason.TESTS_CRASHED: "The test process died before it finished; the detail names the running test.",
    Reason.TAMPERED: "Code under test changed the test framework (named in the detail), so its results are worth nothing.",
    Reason.NO_REPORT: "The run left no test results: see the log's tail (usually an import error in conftest.py).",
    Reason.PASSES_WITHOUT_PATCH: "Judged without any patch, FAIL_TO_PASS tests pass: they are flaky, or depend on what ran before.",
    Reason.GOLD_NOT_RESOLVED: "Judged as a candidate, the gold patch does not resolve: flaky tests, or judging drops a part of it.",
    Reason.ROTTED: "It was valid once and is not any more: see which tests differ. A new validation that passes (new environment, settings) or `swemill revalidate INSTANCE` brings it back.",
    Reason.TIME_BOMB: "Its tests depend on the date and will fail, or pass by themselves, within a year. Nothing to do, unless a new validation leaves these tests out.",
    Reason.DEPENDS_ON_MACHINE: "Its tests hold only under one host name, locale and time zone: a verdict elsewhere would be another one.",
    Reason.EMPTY_PATCH: "The agent finished without changing a file.",
    Reason.TURN_LIMIT: "The agent used all its turns (policy limit `turns`).",
    Reason.COST_LIMIT: "The agent used its budget (policy limit `dollars`).",
    Reason.TIME_LIMIT: "The agent used its wall clock (policy limit `minutes`).",
    Reason.CONTEXT_OVERFLOW: "The conversation outgrew the model's context window.",
    Reason.MALFORMED_ANSWERS: "The model kept answering without a well-formed tool call.",
    Reason.AGENT_CRASHED: "The agent's own code failed: see the detail.",
    Reason.PATCH_DOES_NOT_APPLY: "The model's patch does not apply to a fresh checkout of the base commit.",
    Reason.FAIL_TO_PASS_FAILED: "Tests that the fix must turn green are still red.",
    Reason.PASS_TO_PASS_FAILED: "The patch breaks tests that were green.",
    Reason.HELD_OUT: "The repository belongs to the evaluation split.",
    Reason.DUPLICATE: "The same trajectory is already in the release.",
    Reason.CAP_REACHED: "The per-instance cap of the release is reached.",
    Reason.TRAINING_FAILED: "Read the training log; the checkpoint was not written.",
}
