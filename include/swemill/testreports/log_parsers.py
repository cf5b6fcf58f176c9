"""Reads test outcomes out of a log, for runs that left no report: logs of other places, and to compare with.

A log is weaker than a report. Tests write into it as they like, it may be cut, and it does not name everything (see
``docs/validation.md``). Hence a result out of a log is never better than the log's worst word on that test, and nothing
here says that a run is whole. Bytes of foreign code come in: work grows linearly with the log, ids are bounded like
those of reports, and nothing raises.

pytest: lines of ``-v`` and of the short test summary (``-rA``; from 3.0 to 9). unittest: lines of ``-v`` and the
headings of failures; nose's and Django's logs are of that kind.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from swemill.testreports.reader import read_report
from swemill.values import TestOutcome, TestRunner

MAX_LOG = 64 << 20
"""Characters of a log that are looked at: its end."""
MAX_LINE = 1 << 16
"""Characters of a line that is looked at; a longer one is no result."""

_WORDS = {
    "PASSED": TestOutcome.PASSED,
    "PASS": TestOutcome.PASSED,
    "FAILED": TestOutcome.FAILED,
    "FAIL": TestOutcome.FAILED,
    "ERROR": TestOutcome.ERROR,
    "SKIPPED": TestOutcome.SKIPPED,
    "XFAIL": TestOutcome.XFAILED,
    "xfail": TestOutcome.XFAILED,
    "XPASS": TestOutcome.XPASSED,
    "xpass": TestOutcome.XPASSED,
}
_WORST_FIRST = (
    TestOutcome.FAILED,  # of a test that failed and then could not be torn down, both are said: the reporter's is this
    TestOutcome.ERROR,
    TestOutcome.XPASSED,
    TestOutcome.SKIPPED,
    TestOutcome.XFAILED,
    TestOutcome.PASSED,
)
_RANK = {outcome: rank for rank, outcome in enumerate(_WORST_FIRST)}

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_SECTION = re.compile(r"={3,} (.{1,80}?) ={3,}$")
_PROGRESS = re.compile(r"\[ *\d{1,3}%\]|\[ *\d{1,9}/\d{1,9}\]")
_VERBOSE = re.compile(r" (PASSED|FAILED|ERROR|SKIPPED|XFAIL|xfail|XPASS|xpass)(?= \(|$)")
_WORKER = re.compile(
    r"\[gw\d{1,4}\](?: \[ {0,2}\d{1,3}%\])? (PASSED|FAILED|ERROR|SKIPPED|XFAIL|xfail|XPASS|xpass) (.+)$"
)
_SUBTEST = re.compile(r"(?:^| )SUB(FAIL|PASS|SKIP)(?:ED|PED)?(?=[ (\[]|$)")

_UNITTEST_TEST = re.compile(r"([\w.\[\]-]{1,1024} \([\w.<>-]{1,2048}\)|[^\s:]{1,2048}\.py)(?= \.\.\.| \(|$)")
_NOSE_TEST = re.compile(r"\w{1,1024}\.[\w.]{1,1024}(?:\(.{0,2048}\))?$")
_UNITTEST_HEADING = re.compile(r"(ERROR|FAIL|UNEXPECTED SUCCESS): (.+)$")
_UNITTEST_WORDS = (
    ("ok", TestOutcome.PASSED),
    ("FAIL", TestOutcome.FAILED),
    ("ERROR", TestOutcome.ERROR),
    ("expected failure", TestOutcome.XFAILED),
    ("unexpected success", TestOutcome.XPASSED),
)

_MOST_CUTS = 64
"""Places of a line at which its id may end that are tried."""

_Found = tuple[str, TestOutcome]


def parse_log(log: str, runner: TestRunner) -> Mapping[str, TestOutcome]:
    """Outcome by test id, as ``log`` tells it; the worst of what it says of a test."""
    log = _COLOUR.sub("", log[-MAX_LOG:])
    if runner is TestRunner.PYTEST:
        return parse_pytest_log(log)
    return parse_unittest_log(log)


def parse_pytest_log(log: str) -> Mapping[str, TestOutcome]:
    """Of pytest's ``-v`` lines and short test summary. Skipped tests are named by the former alone."""
    lines = _lines(log)
    verbose = list(_verbose(lines))
    known = {test for test, _ in verbose}
    return _worst([*verbose, *_summary(lines, known), *_not_collected(lines)])


def parse_unittest_log(log: str) -> Mapping[str, TestOutcome]:
    """Of unittest's ``-v`` lines (a docstring stands between test and outcome) and headings of failures."""
    return _worst(_unittest(_lines(log)))


def _lines(log: str) -> list[str]:
    return [line.rstrip("\r") for line in log.split("\n") if len(line) <= MAX_LINE]


def _worst(found: Iterable[_Found]) -> Mapping[str, TestOutcome]:
    outcomes: dict[str, TestOutcome] = {}
    for test, outcome in found:
        known = outcomes.get(test)
        if known is None or _RANK[outcome] < _RANK[known]:
            outcomes[test] = outcome
    # Through the reader, so that the same ids come out and the same bounds hold.
    events = ({"e": "finish", "id": test, "outcome": outcome} for test, outcome in outcomes.items())
    return read_report(b"".join(json.dumps(event).encode() + b"\n" for event in events)).outcomes


# --- pytest ----------------------------------------------------------------------------------------------------------


def _verbose(lines: Iterable[str]) -> Iterator[_Found]:
    """``path::test PASSED [ 50%]``, up to the first section after the tests; xdist has the word before the id."""
    before = ""
    for line in lines:
        section = _SECTION.match(line)
        if section and section[1] != "test session starts":
            return
        line = _without_progress(line)
        if worker := _WORKER.match(line):
            yield worker[2], _WORDS[worker[1]]
        elif subtest := _SUBTEST.search(line):
            before = line[: subtest.start()] or before
            if subtest[1] == "FAIL" and before:
                yield before, TestOutcome.FAILED
        elif (word := _outcome_word(line)) and "::" in line[: word.start()]:
            yield _spelled(line[: word.start()].rstrip()), _WORDS[word[1]]
        elif "::" in line:
            before = line


def _without_progress(line: str) -> str:
    line = line.rstrip()
    at = line.rfind("[") if line.endswith("]") else -1
    # What follows an outcome; `[100%]` that ends an id has no space before it.
    return line[:at].rstrip() if at > 0 and line[at - 1] == " " and _PROGRESS.fullmatch(line, at) else line


def _outcome_word(line: str) -> re.Match[str] | None:
    """The word that ends the line, or stands before a reason in brackets. Ids may hold such words in theirs."""
    bracket, last = line.find("["), None
    for word in _VERBOSE.finditer(line):
        last = word
        if word.end() < len(line) and (bracket < 0 or word.start() < bracket or line[word.start() - 1] == "]"):
            return word  # all that follows is the reason
    return last if last and (last.end() == len(line) or line.endswith(")")) else None


def _summary(lines: list[str], known: set[str]) -> Iterator[_Found]:
    """``FAILED path::test - message`` below the last heading of that summary."""
    headings = [at for at, line in enumerate(lines) if (found := _SECTION.match(line)) and "summary info" in found[1]]
    for line in lines[headings[-1] + 1 :] if headings else ():
        if _SECTION.match(line):
            return
        word, _, rest = line.partition(" ")
        if subtest := _SUBTEST.match(line):
            if subtest[1] == "FAIL" and (test := _named_in(rest, known)):
                yield test, TestOutcome.FAILED
        elif word in _WORDS and word != "SKIPPED" and rest:
            yield _id_of(rest.removeprefix("at setup of "), known), _WORDS[word]


def _id_of(rest: str, known: set[str]) -> str:
    """The id that a summary line begins with. Both ids and messages may hold `` - ``."""
    rest = _spelled(rest.rstrip())
    if rest in known:
        return rest
    cuts = [cut.start() for cut in islice(re.finditer(" - ", rest), _MOST_CUTS)]
    bracket = rest.find("[")
    whole = (at for at in cuts if bracket < 0 or at < bracket or rest[at - 1] == "]")
    return next((rest[:at] for at in cuts if rest[:at] in known), "") or rest[: next(whole, len(rest))]


def _named_in(text: str, known: set[str]) -> str:
    """The id in ``(i=1) path::test - message``: what is described of a subtest may hold spaces."""
    words = text.partition(" - ")[0].split(" ")
    at = next((at for at, word in enumerate(words) if "::" in word), len(words))
    return _id_of(" ".join(words[at:]), known)


def _spelled(test: str) -> str:
    # pytest before 4.0 put an instance node between class and function.
    return test.replace("::()", "")


def _not_collected(lines: Iterable[str]) -> Iterator[_Found]:
    """``____ ERROR collecting path ____``: without a short summary, nothing else names such a file."""
    for line in lines:
        underscores, found, rest = line.partition(" ERROR collecting ")
        test, space, line_end = rest.rpartition(" ")
        if found and set(underscores) == {"_"} and space and set(line_end) == {"_"}:
            yield test, TestOutcome.ERROR


# --- unittest --------------------------------------------------------------------------------------------------------


def _unittest(lines: Iterable[str]) -> Iterator[_Found]:
    test, described = "", False
    for line in lines:
        if heading := _UNITTEST_HEADING.match(line):
            if named := _UNITTEST_TEST.match(heading[2]):
                yield named[1], _heading(heading[1])
            continue
        line = line.strip()
        before, dots, said = line.rpartition(" ... ")
        if named := _UNITTEST_TEST.match(line):
            # Without dots a docstring follows. After them there may be output, and the outcome on a line of its own.
            test, described = named[1], named.end() == len(line)
            said = line[named.end() :].partition(" ... ")[2]
        elif dots and not described:
            if _NOSE_TEST.match(before) and (outcome := _unittest_word(said)):
                yield before, outcome
            continue
        else:
            said, described = said if dots else line, False
        if test and (outcome := _unittest_word(said)):
            yield test, outcome
            test = ""


def _heading(word: str) -> TestOutcome:
    return {"ERROR": TestOutcome.ERROR, "FAIL": TestOutcome.FAILED}.get(word, TestOutcome.XPASSED)


def _unittest_word(text: str) -> TestOutcome | None:
    if text.startswith(("skipped", "SKIP")):
        return TestOutcome.SKIPPED
    return next((outcome for word, outcome in _UNITTEST_WORDS if text == word), None)
