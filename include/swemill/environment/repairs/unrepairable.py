"""Kinds of failure that no change of the candidate mends, and why. Every other kind has a rule; a test sees to it."""

from swemill.environment.failures import FailureKind as Kind

UNREPAIRABLE = {
    Kind.DISK_FULL: "a build may write so much and no more",
    Kind.NEEDS_NETWORK: "tests run without a network, on purpose",
    Kind.NEEDS_SERVICE: "a sandbox holds one process, not a server beside it",
    Kind.NOT_CONFIGURED: "the settings are the repository's; its own runner knows them",
    Kind.IMPORT_MISMATCH: "how pytest imports test files is the repository's choice",
    Kind.CRASHED: "a dead interpreter does not tell which extension killed it",
    Kind.NOTHING_COLLECTED: "there are no tests where pytest looks for them",
    Kind.UNKNOWN: "nothing is known of the cause",
}
