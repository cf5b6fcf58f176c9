"""Datasets as bytes: JSON Lines and Parquet, row group by row group, so that no whole dataset is in memory.

A row is a dictionary; all have the same fields, of texts, numbers, lists of texts, or None.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

_GROUP = 200
"""Rows of a row group of Parquet, and in memory."""


def jsonl(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A JSON object a line.

    In ASCII: SWE-bench's harness reads in the locale's encoding, and divides at all that Unicode calls a line's end.
    """
    for row in rows:
        yield f"{json.dumps(row)}\n".encode()


def parquet(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """One Parquet file of at least one row."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    remaining = iter(rows)
    parts, group = _Parts(), list(islice(remaining, _GROUP))
    schema = _schema(group[0])
    with ParquetWriter(pyarrow.PythonFile(parts, "w"), schema, compression="zstd") as writer:
        while group:
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
            yield parts.taken()
            group = list(islice(remaining, _GROUP))
    yield parts.taken()


def _schema(row: Mapping[str, Any]) -> "pyarrow.Schema":
    import pyarrow

    kinds = {int: pyarrow.int64(), list: pyarrow.list_(pyarrow.string())}
    return pyarrow.schema([(name, kinds.get(type(value), pyarrow.string())) for name, value in row.items()])


class _Parts(io.RawIOBase):
    """A file that hands out what is written to it, part by part."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def taken(self) -> bytes:
        """What was written since the last call."""
        part = b"".join(self._parts)
        self._parts.clear()
        return part
