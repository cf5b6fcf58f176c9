"""Export validated instances in the fields of SWE-bench."""

import base64
import contextlib
import errno
import json
import os
from pathlib import Path
from uuid import uuid4

from swemill.errors import DiskFull, UserError
from swemill.store.pending import validated_instances
from swemill.wiring import Mill


def export_swebench(mill: Mill, path: Path) -> int:
    """Write one JSON object a validated instance to ``path`` and return their number.

    Fields are those of the SWE-bench dataset (FAIL_TO_PASS and PASS_TO_PASS as JSON text, as there), plus ``image``.

    Raises:
        UserError: ``path`` cannot be written, or nothing is validated yet. DiskFull: no room left.
    """
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} does not exist")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    with mill.store.session() as session:
        rows = validated_instances(session)
    if not rows:
        raise UserError("no instance is validated yet; run `swemill validate` first")
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            for row in rows:
                item = {
                    "repo": row.instance.repository,
                    "instance_id": row.instance.instance_id,
                    "base_commit": row.instance.base_commit,
                    **_patch("patch", mill.blobs.get(row.instance.patch_blob)),
                    **_patch("test_patch", mill.blobs.get(row.instance.test_patch_blob)),
                    "problem_statement": row.instance.problem_statement,
                    "hints_text": row.instance.hints_text,
                    "created_at": row.instance.created_at.isoformat(),
                    "version": row.instance.version,
                    "FAIL_TO_PASS": json.dumps(row.validation.fail_to_pass),
                    "PASS_TO_PASS": json.dumps(row.validation.pass_to_pass),
                    "environment_setup_commit": row.instance.base_commit,
                    "image": row.environment.image,
                }
                file.write(json.dumps(item, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as cause:
        if cause.errno == errno.ENOSPC:
            raise DiskFull(f"no room left to write {path}: free some disk space and run again") from cause
        raise UserError(f"{path} cannot be written: {cause.strerror}; choose another place") from cause
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()  # gone already when all went well
    return len(rows)


def _patch(name: str, data: bytes) -> dict[str, str]:
    """The patch as text; if it is no UTF-8, in base64 under ``<name>_base64``: a lossy one would be wrong."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {name: "", f"{name}_base64": base64.b64encode(data).decode()}
