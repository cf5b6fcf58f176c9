"""Turns the lines that the reporter left behind into a ``TestReport``, whatever state they are in.

The lines come from a process in which hostile code ran: cut lines, wrong types, huge or unprintable ids, contradicting
results. Nothing here raises for any of that; what cannot be understood is no result, and no result is never a pass.

Rules: a test that finishes twice (a file named twice, equal ids) has the WORSE of its outcomes, so that a forged pass
cannot cover a failure. ``finished`` needs exactly one end of session, whose status is one that pytest gives after
running all tests and equals the process's exit code.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from swemill.effects import canonical
from swemill.values import TestOutcome, TestReport

MAX_TESTS = 200_000
"""Distinct ids kept of one report."""
MAX_ID = 1024
"""Characters of an id kept; a longer one ends in a hash of the whole, so that ids stay distinct."""
MAX_LINE = 1 << 20
"""Bytes of a line that is looked at."""

_WORST_FIRST = (
    TestOutcome.ERROR,
    TestOutcome.FAILED,
    TestOutcome.XPASSED,
    TestOutcome.SKIPPED,
    TestOutcome.XFAILED,
    TestOutcome.PASSED,
)
_RANK = {outcome: rank for rank, outcome in enumerate(_WORST_FIRST)}
_COMPLETE = (0, 1, 5)
"""pytest's exit statuses after a whole session: all passed, some failed, nothing collected."""


def read_report(
    data: bytes,
    *,
    exit_code: int = 0,
    timed_out: bool = False,
    out_of_memory: bool = False,
    log_tail: str = "",
    seconds: float = 0.0,
) -> TestReport:
    """The report in ``data`` (JSON lines, possibly cut or hostile), with what the sandbox saw of the process."""
    outcomes: dict[str, TestOutcome] = {}
    started: dict[str, None] = {}
    ends: set[int] = set()
    collected, stopped, tampered = 0, False, ""
    for event in _events(data):
        kind, test = event.get("e"), _clean_id(event.get("id"))
        if kind == "start" and test:
            if len(started) < MAX_TESTS:
                started[test] = None
        elif kind in ("finish", "collect") and test:
            started.pop(test, None)
            _record(outcomes, test, event.get("outcome"))
        elif kind == "collected" and _is_count(event.get("n")):
            collected = event["n"]
        elif kind == "stop":
            stopped = True
        elif kind == "tampered":
            tampered = tampered or _clean_id(event.get("what")) or "something"
        elif kind == "end" and _is_count(event.get("status")):
            ends.add(event["status"])
    killed = timed_out or out_of_memory
    whole = ends == {exit_code} and (exit_code in _COMPLETE or (stopped and exit_code == 2))
    finished = whole and not killed and not started and not tampered
    return TestReport(
        outcomes=outcomes,
        collected=collected,
        finished=finished,
        running=None if finished else next(reversed(started), None),
        exit_code=exit_code,
        timed_out=timed_out,
        out_of_memory=out_of_memory,
        log_tail=log_tail,
        seconds=seconds,
        tampered=tampered,
    )


def unsealed(data: bytes, key: bytes) -> bytes:
    """The lines of ``data`` that the reporter with this key wrote (``event_lines``), without their seals."""
    lines = []
    for line in data.split(b"\n"):
        seal, _, event = line.partition(b" ")
        right = hashlib.blake2b(event, key=key, digest_size=16).hexdigest().encode()
        if hmac.compare_digest(seal, right):
            lines.append(event)
    return b"\n".join(lines)


def report_to_json(report: TestReport) -> bytes:
    """``report`` as canonical JSON: equal reports have equal bytes, so equal blobs."""
    return canonical(
        {
            "outcomes": {test: str(outcome) for test, outcome in report.outcomes.items()},
            "collected": report.collected,
            "finished": report.finished,
            "running": report.running,
            "exit_code": report.exit_code,
            "timed_out": report.timed_out,
            "out_of_memory": report.out_of_memory,
            "log_tail": report.log_tail,
            "seconds": report.seconds,
            "tampered": report.tampered,
        }
    )


def report_from_json(data: bytes) -> TestReport:
    """The report that ``report_to_json`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    fields = json.loads(data)
    outcomes = {test: TestOutcome(outcome) for test, outcome in fields.pop("outcomes").items()}
    return TestReport(outcomes=outcomes, **fields)


def clean_text(data: bytes, *, limit: int = 64 << 10) -> str:
    """The last ``limit`` bytes of a log as text that any database takes and any terminal may show.

    No NUL, no broken UTF-8; control characters, and those that turn the direction of text, are spelled out: a log is
    read raw by people, and an escape sequence could rewrite what they see, or speak for them.
    """
    return _visible(data[-limit:].decode("utf-8", "replace").replace("\r\n", "\n").replace("\x00", "\\0"))


_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _visible(text: str) -> str:
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _events(data: bytes) -> Iterator[Mapping[str, Any]]:
    for line in data.split(b"\n"):
        if not line or len(line) > MAX_LINE:
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a cut or forged line tells nothing
        if isinstance(event, dict):
            yield event


def _record(outcomes: dict[str, TestOutcome], test: str, word: Any) -> None:
    try:
        outcome = TestOutcome(word)
    except ValueError:
        return
    known = outcomes.get(test)
    if known is None and len(outcomes) >= MAX_TESTS:
        return
    if known is None or _RANK[outcome] < _RANK[known]:
        outcomes[test] = outcome


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31


def _clean_id(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    text = _visible(value.encode("utf-8", "backslashreplace").decode())
    if len(text) <= MAX_ID:
        return text
    return f"{text[:MAX_ID]}~{hashlib.sha256(text.encode()).hexdigest()[:16]}"
