"""Plans that were stored are the plans that were made."""

from datetime import UTC, datetime

from swemill.environment.plans_json import plans_from_json, plans_to_json
from swemill.values import BuildPlan, Candidate, ImagePlans

CANDIDATE = Candidate(
    python="3.9",
    as_of=datetime(2021, 4, 1, tzinfo=UTC),
    lifted={"pytest": datetime(2021, 10, 5, tzinfo=UTC)},
    system_packages=("libpq-dev",),
    extras=("test",),
    requirements=("pytest",),
    environment={"A": "b"},
    build_isolation=False,
    rules=("without pins",),
)
INSTANCE = BuildPlan(
    base="swemill/environment:x", files={"a.sh": b"echo\n", "raw": b"\xff\x00"}, tag="t", timeout=9, env={"A": "b"}
)
SHARED = BuildPlan(base="swemill/base:y", files={"lock.txt": "six==1.0 # é\n".encode()}, tag="e", timeout=9)


def test_everything_comes_back() -> None:
    plans = ImagePlans(
        python="3.9", packages=("libpq-dev",), environment=SHARED, instance=INSTANCE, candidate=CANDIDATE
    )
    assert plans_from_json(plans_to_json(plans)) == plans


def test_plans_of_one_step_come_back_as_well() -> None:
    plans = ImagePlans(python="3.9", packages=(), environment=None, instance=INSTANCE)
    assert plans_from_json(plans_to_json(plans)) == plans
