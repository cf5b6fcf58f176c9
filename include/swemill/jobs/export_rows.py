"""A validated instance as a row of a SWE-bench dataset."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from swemill.environment.plans_json import plans_from_json
from swemill.environment.scripts import FILLING
from swemill.grading import some
from swemill.models import Environment, Instance
from swemill.patches import BadPatch
from swemill.store.loading import ValidatedInstance
from swemill.testreports import official
from swemill.values import TestRunner
from swemill.wiring import Mill


def dataset_row(mill: Mill, row: ValidatedInstance) -> dict[str, Any]:
    """The row; every row has the same fields, each of one type or None.

    Fields are those of the SWE-bench dataset (``SWEbenchInstance`` in ``swebench/types.py``; FAIL_TO_PASS and
    PASS_TO_PASS as JSON text, as there), those that its harness evaluates by (``make_test_spec`` in
    ``swebench/harness/utils.py``: ``image``, ``eval_script``, ``log_parser``, ``eval_type``), those that its collection
    adds (``pull_number``, ``issue_numbers`` as texts), the licence file at the base commit, under which the code may be
    passed on, and ``harness_limits``. A text that is no UTF-8 is empty, and in base64 under ``<name>_base64``.
    """
    patch, test_patch = mill.blobs.get(row.instance.patch_blob), mill.blobs.get(row.instance.test_patch_blob)
    tests = [*row.validation.fail_to_pass, *row.validation.pass_to_pass]
    script = _script(mill, row, test_patch, tests)
    item = {
        **_told(row.instance),
        **_text("patch", patch),
        **_text("test_patch", test_patch),
        "FAIL_TO_PASS": json.dumps(row.validation.fail_to_pass),
        "PASS_TO_PASS": json.dumps(row.validation.pass_to_pass),
        "image": row.environment.image,
        "eval_script": script,
        "log_parser": official.LOG_PARSER,
        "eval_type": official.EVAL_TYPE,
        "license_path": row.instance.licence_path,
        **_text("license_text", mill.blobs.get(row.instance.licence_blob) if row.instance.licence_blob else b""),
    }
    return {**item, "harness_limits": _limits(mill, row.environment, item, tests)}


def _script(mill: Mill, row: ValidatedInstance, test_patch: bytes, tests: list[str]) -> str:
    """Empty where there can be none (``_limits``): no reason to keep all other instances from being exported."""
    if row.environment.test_runner != TestRunner.PYTEST:
        return ""
    try:
        return official.evaluation_script(
            row.instance.base_commit, test_patch, tests, timeout=mill.settings.test_timeout
        )
    except BadPatch:
        return ""


def _told(instance: Instance) -> dict[str, Any]:
    return {
        "repo": instance.repository,
        "pull_number": instance.number,
        "instance_id": instance.instance_id,
        "issue_numbers": [str(number) for number in instance.issue_numbers],
        "base_commit": instance.base_commit,
        "environment_setup_commit": instance.base_commit,
        "problem_statement": instance.problem_statement,
        "hints_text": instance.hints_text,
        "created_at": f"{instance.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "version": instance.version,
    }


def _text(name: str, data: bytes) -> dict[str, str | None]:
    """The bytes as text; if they are no UTF-8, in base64 under ``<name>_base64``: a lossy patch would be wrong."""
    try:
        return {name: data.decode(), f"{name}_base64": None}
    except UnicodeDecodeError:
        return {name: "", f"{name}_base64": base64.b64encode(data).decode()}


def _limits(mill: Mill, environment: Environment, item: Mapping[str, Any], tests: list[str]) -> list[str]:
    """Why the official harness may come to another verdict on the instance than we do; empty: it does not."""
    limits = []
    if lost := official.lost_ids(tests):
        limits.append(f"its log parser does not give back {len(lost)} of {len(tests)} test ids: {some(lost)}")
    if item["patch_base64"]:
        limits.append("its predictions are UTF-8, and the gold patch is not: it is in patch_base64")
    if environment.test_runner != TestRunner.PYTEST:
        limits.append(f"its tests run under {environment.test_runner}, and there is no eval_script but for pytest's")
    elif not item["eval_script"]:
        limits.append("the test patch is no git diff, so that there is no eval_script")
    if not _fills_the_work_folder(mill, environment):
        limits.append("the image was made without a checkout in /testbed: docs/validation.md says how it gets one")
    return limits


def _fills_the_work_folder(mill: Mill, environment: Environment) -> bool:
    """Images had their checkout in ``/opt/testbed`` alone before there was this export."""
    if environment.plans_blob is None:
        return False
    plan = plans_from_json(mill.blobs.get(environment.plans_blob)).instance
    return FILLING.encode() in plan.files.get("install.sh", b"")
