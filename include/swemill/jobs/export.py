"""Export validated instances as a dataset of SWE-bench, which its official harness evaluates as it is."""

import errno
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

from swemill.adapters import dataset_files
from swemill.adapters.durable_file import write_durably
from swemill.errors import DiskFull, UserError
from swemill.jobs.export_rows import dataset_row
from swemill.settings import Settings
from swemill.store.loading import validated_instances
from swemill.testreports.official import VERSION
from swemill.wiring import Mill

_PATIENCE = 1800
"""Seconds that the harness waits for one instance when nobody says."""
_AROUND_THE_TESTS = 600
"""Seconds for what is done before and after the tests, at most."""


class DatasetFormat(StrEnum):
    """What a dataset is written as; the value is the suffix by which the harness tells it."""

    JSONL = "jsonl"
    PARQUET = "parquet"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    rows: int
    limited: int
    """Rows whose verdicts by the official harness may differ from ours: their ``harness_limits`` say why."""


def export_swebench(mill: Mill, path: Path, *, format_: DatasetFormat | None = None) -> Exported:
    """Write a row a validated instance to ``path``, replacing what is there: all of it or nothing.

    Args:
        mill: what holds the instances.
        path: ends in ``.jsonl`` or ``.parquet``.
        format_: None: what the suffix says.

    Raises:
        UserError: ``path`` cannot be written, or nothing is validated yet. DiskFull: no room left.
    """
    format_ = _format(path, format_)
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} does not exist")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    counted: Counter[str] = Counter()
    with mill.store.session() as session:
        rows = validated_instances(session)
        first = next(rows, None)
        if first is None:
            raise UserError("no instance is validated yet; run `swemill validate` first")
        items = _counted((dataset_row(mill, row) for row in chain([first], rows)), counted)
        try:
            write_durably(path, _WRITERS[format_](items))
        except OSError as cause:
            if cause.errno == errno.ENOSPC:
                raise DiskFull(f"no room left to write {path}: free some disk space and run again") from cause
            raise UserError(f"{path} cannot be written: {cause.strerror}; choose another place") from cause
    return Exported(rows=counted["rows"], limited=counted["limited"])


def official_command(settings: Settings, path: Path) -> str:
    """The command that evaluates the gold patches of the dataset at ``path`` with the official harness."""
    engine = f"DOCKER_HOST={shlex.quote(settings.docker_host)} " if settings.docker_host else ""
    needed = settings.test_timeout + _AROUND_THE_TESTS
    patience = f" --timeout {needed}" if needed > _PATIENCE else ""
    dataset = shlex.quote(str(path))
    return f"{engine}uvx --from swebench=={VERSION} swebench eval {dataset} --gold --run-id gold{patience}"


def _format(path: Path, asked: DatasetFormat | None) -> DatasetFormat:
    by_suffix = {f".{one}": one for one in DatasetFormat}.get(path.suffix)
    if by_suffix is None or asked not in (None, by_suffix):
        wanted = f".{asked}" if asked else " or ".join(f".{one}" for one in DatasetFormat)
        raise UserError(f"{path.name} must end in {wanted}: the official harness tells a dataset's format by its name")
    return by_suffix


def _counted(rows: Iterable[dict[str, Any]], counted: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        counted["rows"] += 1
        counted["limited"] += bool(row["harness_limits"])
        yield row


_WRITERS = {DatasetFormat.JSONL: dataset_files.jsonl, DatasetFormat.PARQUET: dataset_files.parquet}
