"""The image DAG runs on the real engine: it only looks here, because the engine is not this test's own."""

import pytest

from swemill.wiring import Mill
from tests.dags.conftest import RunDag

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.docker]


def test_a_dry_run_tells_and_removes_nothing(mill: Mill, run_dag: RunDag, capfd: pytest.CaptureFixture[str]) -> None:
    before = {image.id for image in mill.image_store.images() if image.tags}
    run = run_dag("images", retries=0, budget=0, dry_run=True)
    assert run.state == "success"
    assert "would be removed" in capfd.readouterr().out
    assert before <= {image.id for image in mill.image_store.images()}
