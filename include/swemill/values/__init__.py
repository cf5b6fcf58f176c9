"""Frozen values that travel between ports, stages and adapters. No behaviour beyond their own fields.

One module a group of nouns; everything is imported from here: ``from swemill.values import InstanceSpec``.
"""

from swemill.values.environments import BaseImage, BuildEnd, BuildPlan, BuildResult, ImageLevel, StoredImage, Strategy
from swemill.values.forge import (
    BaseInference,
    Change,
    Comment,
    Drop,
    Issue,
    ListedPull,
    Malformed,
    PullPage,
    PullRequestRecord,
    StatementSource,
    Touched,
)
from swemill.values.installations import (
    Candidate,
    CommitTree,
    Failure,
    ImagePlans,
    Inference,
    Installed,
    Phase,
    Submodule,
    Try,
)
from swemill.values.instances import InstanceSpec, instance_id
from swemill.values.repositories import (
    Probe,
    RepositoryPage,
    RepositoryQuery,
    RepositoryRecord,
    RepositorySighting,
    Window,
)
from swemill.values.rollouts import AgentResult, ModelEndpoint, PolicySpec, RolloutResult
from swemill.values.sandbox import ExecResult, Limits, SandboxSpec
from swemill.values.tests import TestOutcome, TestReport, TestRunner
from swemill.values.training import JobState, JobStatus, TrainingJob
from swemill.values.verdicts import Arm, FlakyTest, Loss, TestRun, Unsteady, Validated, Verdict

__all__ = [
    "AgentResult",
    "Arm",
    "BaseImage",
    "BaseInference",
    "BuildEnd",
    "BuildPlan",
    "BuildResult",
    "Candidate",
    "Change",
    "Comment",
    "CommitTree",
    "Drop",
    "ExecResult",
    "Failure",
    "FlakyTest",
    "ImageLevel",
    "ImagePlans",
    "Inference",
    "Installed",
    "InstanceSpec",
    "Issue",
    "JobState",
    "JobStatus",
    "Limits",
    "ListedPull",
    "Loss",
    "Malformed",
    "ModelEndpoint",
    "Phase",
    "PolicySpec",
    "Probe",
    "PullPage",
    "PullRequestRecord",
    "RepositoryPage",
    "RepositoryQuery",
    "RepositoryRecord",
    "RepositorySighting",
    "RolloutResult",
    "SandboxSpec",
    "StatementSource",
    "StoredImage",
    "Strategy",
    "Submodule",
    "TestOutcome",
    "TestReport",
    "TestRun",
    "TestRunner",
    "Touched",
    "TrainingJob",
    "Try",
    "Unsteady",
    "Validated",
    "Verdict",
    "Window",
    "instance_id",
]
