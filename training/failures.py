"""Why a job can fail, by name: whoever reads result.json branches on the reason and shows the message to a
person.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The closed list of values that `reason` in result.json can take."""

    JOB_INVALID = "job_invalid"
    CONFIG_INVALID = "config_invalid"
    DATASET_MISMATCH = "dataset_mismatch"
    ROW_MALFORMED = "row_malformed"
    NOTHING_TO_TRAIN = "nothing_to_train"
    BASE_MODEL_INVALID = "base_model_invalid"
    TEMPLATE_MISMATCH = "template_mismatch"
    TRAINER_FAILED = "trainer_failed"
    OUT_OF_MEMORY = "out_of_memory"
    LOSS_NOT_FINITE = "loss_not_finite"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"


class JobFailure(Exception):
    """A job that cannot succeed as it stands; the message says the cause and the way out."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class JobBusy(Exception):
    """Another live process holds this job folder. Its result is that process's to write, so nothing is recorded."""
