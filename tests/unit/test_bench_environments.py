"""The bench of installation strategies: which commits it takes, and how many attempts become one measurement."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swemill.adapters.archive import Archive
from swemill.adapters.archive_commits import (
    BenchCommit,
    Dated,
    Half,
    a_mixture,
    check_held,
    draw,
    draw_from_pulls,
    in_halves,
    read_list,
)
from swemill.cli import benching
from swemill.cli.main import main
from swemill.errors import ConfigurationError, SandboxUnavailable, SourceError, UserError
from swemill.jobs.bench_attempt import lost, neighbours_of, works
from swemill.jobs.bench_environments import ROUNDS, Measured, measure
from swemill.jobs.bench_journal import BenchRecord, open_journal
from swemill.jobs.bench_summary import counts, summarise
from swemill.reasons import Reason
from swemill.stages.adaptive import tries_to_json
from swemill.values import BuildPlan, Candidate, Failure, ImagePlans, Installed, Loss, Phase, Strategy, Try
from tests.unit.git_work_tree import WorkTree

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "environments"
START = datetime(2020, 1, 1, tzinfo=UTC)
UNIFIED, ADAPTIVE, REUSE = Strategy.UNIFIED, Strategy.ADAPTIVE, Strategy.REUSE


def commit(number: int, repository: str = "o/n", half: Half = Half.TUNING) -> BenchCommit:
    date = START + timedelta(days=number)
    return BenchCommit(repository=repository, commit=f"{number:040x}", date=date, half=half)


def record(of: BenchCommit, strategy: Strategy, **fields) -> BenchRecord:
    given = {"success": True, "python": "3.9", "collected": 7, "seconds": 2.0, "code_version": "1", **fields}
    return BenchRecord(
        repository=of.repository, commit=of.commit, date=of.date, half=of.half, strategy=strategy, **given
    )


class Scripted:
    """Attempts that do what ``act`` says and are remembered."""

    def __init__(self, act: Callable[[BenchCommit, Strategy], BenchRecord] = record) -> None:
        self.act = act
        self.made: list[tuple[int, Strategy]] = []
        self.neighbours: dict[int, list[int]] = {}

    def __call__(self, of: BenchCommit, strategy: Strategy, neighbours: Sequence[BenchRecord]) -> BenchRecord:
        self.made.append((int(of.commit, 16), strategy))
        if strategy is REUSE:
            self.neighbours[int(of.commit, 16)] = [int(one.commit, 16) for one in neighbours]
        else:
            assert not neighbours
        return self.act(of, strategy)


@pytest.fixture
def bench(tmp_path) -> Callable[..., Measured]:
    def run(attempt: Scripted, commits: Sequence[BenchCommit], **options) -> Measured:
        options = {"strategies": (UNIFIED, ADAPTIVE), "code_version": "1", "say": lambda _: None, **options}
        with open_journal(tmp_path / "bench" / "journal.jsonl") as journal:
            return measure(commits, attempt=attempt, journal=journal, **options)

    return run


# --- the commits ---------------------------------------------------------------------------------------------------


def test_the_list_that_is_checked_in_is_large_old_and_halved_by_repository():
    listed = read_list(BENCHMARK / "commits.toml")
    halves = {half: {one.repository for one in listed if one.half is half} for half in Half}
    assert len(listed) >= 110
    assert len(halves[Half.TUNING] | halves[Half.HELD_OUT]) >= 35
    assert not halves[Half.TUNING] & halves[Half.HELD_OUT]
    sizes = Counter(one.half for one in listed)
    assert abs(sizes[Half.TUNING] - sizes[Half.HELD_OUT]) <= 4
    assert {one.date.year for one in listed} == set(range(2014, 2026))
    assert max(Counter(one.repository for one in listed).values()) == 4


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("commit = 1", "commit"),
        ("[[commit]]\nrepository = 'o/n'\ncommit = 'abc'\ndate = 2020-01-01T00:00:00Z", "commit.0.commit"),
        (f"[[commit]]\nrepository = '../n'\ncommit = '{'a' * 40}'\ndate = 2020-01-01T00:00:00Z\nhalf = 'mine'", "half"),
        (f"[[commit]]\nrepository = '/etc'\ncommit = '{'a' * 40}'\ndate = 2020-01-01T00:00:00Z", "repository"),
        ("[[commit", "no TOML"),
        (f"[[commit]]\nrepository = 'o/n'\ncommit = '{'a' * 40}'\ndate = 2020-01-01T00:00:00Z\n" * 2, "twice"),
    ],
)
def test_a_malformed_list_says_what_is_wrong(tmp_path, text, wrong):
    path = tmp_path / "commits.toml"
    path.write_text(text)
    with pytest.raises(SourceError, match=wrong):
        read_list(path)


def test_a_missing_list_says_so(tmp_path):
    with pytest.raises(SourceError, match="--commits"):
        read_list(tmp_path / "none.toml")


def test_a_draw_takes_one_of_each_quarter_and_the_same_again():
    candidates = [Dated(name=f"{day:03}", date=START + timedelta(days=day)) for day in range(0, 400, 3)]
    drawn = draw("o/n", candidates, seed=1)
    assert [(one.date - START).days * 4 // 400 for one in drawn] == [0, 1, 2, 3]
    assert draw("o/n", reversed(candidates), seed=1) == drawn
    assert draw("o/n", candidates, seed=2) != drawn
    assert draw("o/m", candidates, seed=1) != drawn
    rest = draw("o/n", candidates, seed=1, usable=lambda one: one not in drawn)
    assert len(rest) == 4
    assert not set(rest) & set(drawn)


def test_a_draw_of_few_candidates():
    one, other = Dated(name="a", date=START), Dated(name="b", date=START + timedelta(days=9))
    assert draw("o/n", [], seed=1) == ()
    assert draw("o/n", [one], seed=1) == (one,)
    assert draw("o/n", [other, one], seed=1) == (one, other)


def test_halves_keep_repositories_whole_and_even():
    drawn = {
        f"o/n{number}": [Dated(name=f"{number:020}{at:020}", date=START) for at in range(1 + number % 4)]
        for number in range(40)
    }
    commits = in_halves(drawn, seed=1)
    assert len(commits) == 100
    assert all(len({one.half for one in commits if one.repository == name}) == 1 for name in drawn)
    assert abs(Counter(one.half for one in commits)[Half.TUNING] - 50) <= 2
    assert in_halves(drawn, seed=2) != commits


def test_a_smaller_limit_takes_part_of_a_larger_one():
    commits = [commit(number) for number in range(30)]
    few, more = a_mixture(commits, 5), a_mixture(commits, 12)
    assert len(few) == 5
    assert set(few) < set(more)
    assert list(more) == sorted(more, key=lambda one: one.date)
    assert a_mixture(commits, 99) == tuple(commits)


@pytest.fixture
def tree(tmp_path) -> WorkTree:
    """Two changes of code and tests, on two bases; and changes of one of the two alone."""
    tree = WorkTree(tmp_path / "work")
    tree.commit("start", a="1\n", tests__test_a="1\n")
    tree.commit("code alone (#1)", a="2\n")
    tree.commit("tests alone (#2)", tests__test_a="2\n")
    tree.commit("both (#3)", a="3\n", tests__test_a="3\n")
    tree.commit("code again (#4)", a="4\n")
    tree.commit("both again (#5)", a="5\n", tests__test_a="5\n")
    return tree


def base_of(tree: WorkTree, message: str) -> str:
    found = tree.git("log", "--format=%P", f"--grep={message}", "-1")
    assert found
    return found


def test_an_archive_without_a_list_gives_the_bases_of_its_changes(tree, tmp_path):
    tree.mirror(tmp_path / "archive" / "repos" / "o" / "n.git")
    drawn = draw_from_pulls(Archive(tmp_path / "archive"))
    assert [one.commit for one in drawn] == [base_of(tree, "both (#3)"), base_of(tree, "both again")]
    assert [one.date for one in drawn] == sorted(one.date for one in drawn)
    check_held(tmp_path / "archive", drawn)


def test_a_commit_that_the_archive_lacks_is_named(tree, tmp_path):
    tree.mirror(tmp_path / "archive" / "repos" / "o" / "n.git")
    with pytest.raises(SourceError, match=f"{commit(7).commit} of o/n"):
        check_held(tmp_path / "archive", [commit(7)])


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARK / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_archive_of_the_benchmark_is_made_of_mirrors(tree, tmp_path):
    tree.mirror(tmp_path / "mirrors" / "o+n" / "repo")
    base = base_of(tree, "both again")
    listed = tmp_path / "mine.toml"
    listed.write_text(f"[[commit]]\nrepository = 'o/n'\ncommit = '{base}'\ndate = 2020-01-01T00:00:00Z\n")
    for _ in range(2):
        made = script("make_archive.py", "--mirrors", tmp_path / "mirrors", "--to", tmp_path / "a", "--commits", listed)
        assert made.returncode == 0, made.stderr
    assert read_list(tmp_path / "a" / "commits.toml") == read_list(listed)
    (found,) = Archive(tmp_path / "a").repositories()
    assert found.name == "o/n"


def test_too_few_candidates_make_no_list(tree, tmp_path):
    tree.mirror(tmp_path / "mirrors" / "o" / "n.git")
    ended = script("choose.py", "--mirrors", tmp_path / "mirrors", "--to", tmp_path / "list.toml")
    assert ended.returncode == 1
    assert "o/n: 2 of 2 candidates" in ended.stderr
    assert not (tmp_path / "list.toml").exists()


# --- many attempts -------------------------------------------------------------------------------------------------


def test_every_attempt_is_made_once_and_a_second_run_makes_none(bench):
    commits, attempt = [commit(number) for number in range(3)], Scripted()
    first = bench(attempt, commits)
    assert attempt.made == [(number, strategy) for number in range(3) for strategy in (UNIFIED, ADAPTIVE)]
    again = bench(attempt, commits)
    assert len(attempt.made) == 6
    assert again == first
    assert len(again.records) == 6


def test_another_code_version_measures_anew(bench):
    attempt = Scripted()
    bench(attempt, [commit(1)])
    attempt.act = lambda of, strategy: record(of, strategy, code_version="2", success=False, reason=Reason.BUILD_FAILED)
    measured = bench(attempt, [commit(1)], code_version="2")
    assert len(attempt.made) == 4
    assert [one.success for one in measured.records] == [False, False]


def test_only_what_is_asked_for_is_reported(bench):
    bench(Scripted(), [commit(number) for number in range(3)])
    measured = bench(Scripted(), [commit(1)], strategies=(ADAPTIVE,))
    assert [(one.commit, one.strategy) for one in measured.records] == [(commit(1).commit, ADAPTIVE)]


def test_an_interrupt_loses_only_what_is_under_way(bench):
    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        if of == commit(2):
            raise KeyboardInterrupt
        return record(of, strategy)

    commits, attempt = [commit(number) for number in range(4)], Scripted(act)
    with pytest.raises(KeyboardInterrupt):
        bench(attempt, commits)
    attempt.act = record
    attempt.made.clear()
    measured = bench(attempt, commits)
    assert attempt.made == [(number, strategy) for number in (2, 3) for strategy in (UNIFIED, ADAPTIVE)]
    assert len(measured.records) == 8


@pytest.fixture
def heeding_interrupts() -> Iterator[None]:
    """Ctrl-C interrupts, also where the suite was started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_interrupts")
def test_an_interrupt_does_not_wait_for_threads(bench):
    forever, kept = threading.Event(), threading.Event()

    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        if of == commit(0):
            return record(of, strategy)
        kept.wait()
        os.kill(os.getpid(), signal.SIGINT)
        forever.wait()
        raise SandboxUnavailable("removed under its feet")

    attempt = Scripted(act)
    with pytest.raises(KeyboardInterrupt):
        bench(attempt, [commit(0), commit(1)], strategies=(UNIFIED,), jobs=2, say=lambda _: kept.set())
    forever.set()
    attempt.act = record
    attempt.made.clear()
    assert len(bench(attempt, [commit(0), commit(1)], strategies=(UNIFIED,)).records) == 2
    assert attempt.made == [(1, UNIFIED)]


def test_jobs_run_at_the_same_time_and_each_once(bench):
    together = threading.Barrier(3, timeout=20)

    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        together.wait()
        return record(of, strategy)

    attempt = Scripted(act)
    measured = bench(attempt, [commit(number) for number in range(3)], jobs=3)
    assert len(measured.records) == 6
    assert len(set(attempt.made)) == len(attempt.made) == 6


@pytest.mark.parametrize("jobs", [1, 2])
def test_trouble_is_tried_again_at_the_end_and_is_no_failure(bench, jobs):
    seen: Counter[str] = Counter()
    lines: list[str] = []

    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        seen[of.commit] += 1
        if of == commit(0) and seen[of.commit] < ROUNDS:
            raise SandboxUnavailable("engine gone")
        return record(of, strategy)

    attempt = Scripted(act)
    measured = bench(attempt, [commit(0), commit(1)], strategies=(UNIFIED,), jobs=jobs, say=lines.append)
    assert attempt.made[-1] == (0, UNIFIED)
    assert seen == {commit(0).commit: ROUNDS, commit(1).commit: 1}
    assert [one.success for one in measured.records] == [True, True]
    assert not measured.troubled
    assert sum("engine gone" in line and "tried again later" in line for line in lines) == ROUNDS - 1
    assert "[2/2, 0:00:00 left]" in lines[-1]


def test_trouble_without_end_is_left_to_the_next_run(bench):
    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        if of == commit(0):
            raise SandboxUnavailable("engine gone")
        return record(of, strategy)

    attempt = Scripted(act)
    measured = bench(attempt, [commit(0), commit(1)], strategies=(UNIFIED,))
    assert [(work.commit, work.strategy) for work in measured.troubled] == [(commit(0), UNIFIED)]
    assert len(measured.records) == 1
    assert len(attempt.made) == ROUNDS + 1
    attempt.act = record
    assert len(bench(attempt, [commit(0), commit(1)], strategies=(UNIFIED,)).records) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_users_mistake_stops_the_bench(bench, jobs):
    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        raise ConfigurationError("no such Python")

    with pytest.raises(ConfigurationError, match="no such Python"):
        bench(Scripted(act), [commit(number) for number in range(9)], jobs=jobs)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_the_bench_itself_is_not_waited_for(bench):
    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        raise LookupError("a bug")

    with pytest.raises(RuntimeError, match="a fault of the bench"):
        bench(Scripted(act), [commit(0), commit(1)], jobs=2)
    for thread in threading.enumerate():
        if thread.name.startswith("bench-"):
            thread.join()


def test_reuse_comes_last_with_the_successes_of_other_commits_of_the_repository(bench):
    def act(of: BenchCommit, strategy: Strategy) -> BenchRecord:
        lost = strategy is ADAPTIVE and of == commit(4)
        return record(of, strategy, success=not lost, reason=Reason.BUILD_FAILED if lost else None)

    attempt = Scripted(act)
    bench(attempt, [commit(2)], strategies=(ADAPTIVE,))  # of another selection: in the journal, but no neighbour
    commits = [commit(9), commit(4), commit(1), commit(5, "o/other")]
    bench(attempt, commits, strategies=(REUSE, ADAPTIVE))
    assert attempt.made[-4:] == [(number, REUSE) for number in (1, 4, 5, 9)]
    assert attempt.neighbours == {1: [9], 4: [1, 9], 5: [], 9: [1]}


# --- the journal ---------------------------------------------------------------------------------------------------


def rich_record() -> BenchRecord:
    candidate = Candidate(python="3.9", as_of=START, lifted={"six": START}, rules=("old setuptools",))
    failure = Failure(phase=Phase.RESOLVE, kind="no_version", subject="nose")
    tries = (Try(candidate=candidate, failure=failure, seconds=1.5, log="\udcff"),)
    fields = {"reason": Reason.BUILD_FAILED, "kind": "no_version", "detail": "half a pair: \ud800", "lock": "six==1\n"}
    return record(commit(1), ADAPTIVE, success=False, tries=tries, rules=candidate.rules, layers={"a": 1}, **fields)


def test_a_record_comes_back_as_it_was(tmp_path):
    with open_journal(tmp_path / "j") as journal:
        journal.add(rich_record())
    with open_journal(tmp_path / "j") as journal:
        assert list(journal.records.values()) == [rich_record()]


def test_a_line_that_was_cut_off_is_measured_again(tmp_path):
    with open_journal(tmp_path / "j") as journal:
        journal.add(rich_record())
        journal.add(record(commit(2), UNIFIED))
    whole = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(whole[:-20])
    with open_journal(tmp_path / "j") as journal:
        assert [one.commit for one in journal.records.values()] == [commit(1).commit]
        journal.add(record(commit(2), UNIFIED))
    assert (tmp_path / "j").read_bytes() == whole


@pytest.mark.parametrize("line", ["no json", "{}", "[]", '{"repository": 1}'])
def test_a_foreign_line_is_named(tmp_path, line):
    with open_journal(tmp_path / "j") as journal:
        journal.add(record(commit(2), UNIFIED))
    with (tmp_path / "j").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=r"j:2 is no record of a bench"), open_journal(tmp_path / "j"):
        pass


def test_two_benches_do_not_share_a_journal(tmp_path):
    with open_journal(tmp_path / "j"), pytest.raises(UserError, match="another bench"), open_journal(tmp_path / "j"):
        pass


# --- what the install stage says -------------------------------------------------------------------------------------


def tries(*failed: str) -> tuple[Try, ...]:
    """Tries that failed of these kinds, and a last one that works."""
    made = []
    for number, kind in enumerate((*failed, "")):
        candidate = Candidate(python="3.11", as_of=START, requirements=("pytest",), rules=failed[:number])
        failure = Failure(phase=Phase.PROJECT, kind=kind, subject="x.h") if kind else None
        made.append(Try(candidate=candidate, failure=failure, seconds=1.0, log="l" * 9000))
    return tuple(made)


def installed(of: Sequence[Try], lock: str) -> Installed:
    def plan(tag: str, files: dict[str, bytes]) -> BuildPlan:
        return BuildPlan(base="b", files=files, tag=tag, timeout=1)

    plans = ImagePlans(
        python="3.11", packages=(), environment=plan("e:1", {"lock.txt": lock.encode()}), instance=plan("i:1", {})
    )
    fields = {"image": "i:1", "digest": "sha256:1", "python": "3.11", "base": "b", "plans": plans, "lock": lock}
    return Installed(strategy=ADAPTIVE, collected=3, log="", seconds=9.0, bytes=9, tries=tuple(of), **fields)


def test_a_success_is_a_neighbour_of_other_commits(tmp_path):
    made = works(
        commit(1), ADAPTIVE, installed(tries("a", "b"), "six==1\n"), seconds=4.0, layers={"e:1": 1}, code_version="1"
    )
    assert (made.success, made.rules, made.collected, made.bytes_unique) == (True, ("a", "b"), 3, 1)
    with open_journal(tmp_path / "j") as journal:
        journal.add(made)
        journal.add(record(commit(2), UNIFIED))  # has no environment of its own that could be built on
    with open_journal(tmp_path / "j") as journal:
        (neighbour,) = neighbours_of(list(journal.records.values()))
    assert (neighbour.lock, neighbour.committed_at) == ("six==1\n", commit(1).date)
    assert neighbour.candidate == tries("a", "b")[-1].candidate


def test_a_loss_tells_what_its_last_try_failed_of():
    failed = tries("no_header", "no_module")[:-1]
    loss = Loss(reason=Reason.BUILD_FAILED, detail="x.h", evidence={"tries.json": tries_to_json(failed)})
    made = lost(commit(1), ADAPTIVE, loss, seconds=4.0, code_version="1")
    assert (made.success, made.kind, made.python, made.rules) == (False, "no_module", "3.11", ("no_header",))
    assert [one.candidate for one in made.tries] == [one.candidate for one in failed]
    assert max(len(one.log) for one in made.tries) == 4000


def test_a_loss_without_tries_has_no_kind():
    loss = Loss(reason=Reason.NO_NEIGHBOUR, detail="none")
    made = lost(commit(1), REUSE, loss, seconds=0.0, code_version="1")
    assert (made.reason, made.kind, made.tries) == (Reason.NO_NEIGHBOUR, "", ())


# --- the counts ----------------------------------------------------------------------------------------------------


def some_records() -> list[BenchRecord]:
    lost = {"success": False, "reason": Reason.BUILD_FAILED}
    other = commit(3, "o/m", Half.HELD_OUT)
    shared = {"swemill/environment:a": 100}
    return [
        record(commit(1), UNIFIED, seconds=1.0, **lost),
        record(commit(2), UNIFIED, seconds=9.0, success=False, reason=Reason.NOTHING_COLLECTED),
        record(other, UNIFIED, seconds=2.0, **lost),
        record(commit(1), ADAPTIVE, layers={**shared, "i:1": 5}),
        record(commit(2), ADAPTIVE, layers={**shared, "i:2": 6}, rules=("pin", "header", "pin")),
        record(other, ADAPTIVE, kind="no_header", **lost),
        record(commit(1), REUSE, success=False, reason=Reason.NO_NEIGHBOUR),
        record(other, REUSE, layers={"i:3": 7}),
    ]


def test_counts_of_each_strategy_of_rules_and_of_the_union():
    found = summarise(some_records())
    unified, adaptive, reuse = found.strategies
    assert (unified.strategy, unified.share.attempts, unified.share.successes) == (UNIFIED, 3, 0)
    assert unified.median_seconds == 2.0
    assert list(unified.reasons.items()) == [("build_failed", 2), ("nothing_collected", 1)]
    assert (adaptive.share.attempts, adaptive.share.successes, adaptive.share.percent) == (3, 2, 66.7)
    assert adaptive.bytes_unique == 111
    assert adaptive.kinds == {"no_header": 1}
    assert reuse.reasons == {"no_neighbour": 1}
    assert found.unrepaired == 1
    assert found.rules == {"header": 1, "pin": 1}
    assert (found.union.successes, found.union.attempts) == (3, 3)


def test_counts_for_programs_hold_each_half():
    told = json.loads(json.dumps(counts(some_records(), code_version="7", not_done=2)))
    assert (told["code_version"], told["commits"], told["not_done"]) == ("7", 3, 2)
    assert [one["share"]["attempts"] for one in told["tuning"]["strategies"]] == [2, 2, 1]
    assert told["held_out"]["union"] == {"attempts": 1, "successes": 1, "percent": 100.0, "low": 20.7, "high": 100.0}


def test_nothing_measured_is_counted_as_nothing():
    found = summarise([])
    assert found.strategies == ()
    assert found.union.attempts == 0


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_selects_measures_and_prints(tree, tmp_path, monkeypatch, capsys):
    tree.mirror(tmp_path / "archive" / "repos" / "o" / "n.git")
    attempt = Scripted()
    monkeypatch.setenv("SWEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(benching, "_attempts", lambda *_, **__: nullcontext(attempt))

    def swemill(*arguments: str) -> tuple[int, str, str]:
        line = ["swemill", "bench", "environments", "--archive", str(tmp_path / "archive"), "--code-version", "1"]
        monkeypatch.setattr(sys, "argv", [*line, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    code, out, err = swemill("--strategies", "unified,adaptive", "--json")
    assert code == 0
    assert json.loads(out)["commits"] == 2
    assert "[4/4" in err
    code, out, err = swemill()
    assert code == 0
    assert "adaptive + reuse: 2 of 2, 100.0%" in out
    assert "unified" in out
    assert "[4/4" in err
    assert (tmp_path / "home" / "bench" / "environments.jsonl").read_text().count("\n") == 8
    code, _, err = swemill("--strategies", "agent")
    assert (code, "choose from unified,dated,adaptive,reuse" in err) == (1, True)
    code, _, err = swemill("--repository", "o/none")
    assert (code, "o/none" in err) == (1, True)
    attempt.act = lambda of, strategy: (_ for _ in ()).throw(SandboxUnavailable("engine gone"))
    code, _, err = swemill("--limit", "1", "--out", str(tmp_path / "other.jsonl"), "--strategies", "unified")
    assert (code, "1 attempts met infrastructure trouble" in err) == (3, True)
