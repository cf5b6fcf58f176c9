"""One run of the DAG `validate` with kills, mended as a person would mend it, and what came of it.

After each kill comes ``swemill up``. What Airflow lost meanwhile is asked for again through its API: the failed tasks
of a red run are cleared, and a run is triggered where none is left and work is. How often that was needed is counted,
and bounded.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from swemill.adapters.docker.client import connect
from swemill.adapters.docker.policy import STAGE_LABEL
from swemill.embedded.airflow_api import UNFINISHED_RUN, DagRun
from swemill.embedded.pass_runner import Counts
from swemill.embedded.processes import Identity
from swemill.errors import OrchestratorUnavailable, StoreUnavailable
from swemill.jobs import validate
from tests.benchmarks.engine_kill_run import others
from tests.benchmarks.platform_kill_archive import Truth
from tests.benchmarks.platform_kill_facts import Facts, done_so_far, facts_of, incidents_of, untruths
from tests.benchmarks.platform_kill_platform import DAG, Platform, Stuck
from tests.benchmarks.platform_kill_values import Ending, Kill, Moment

_POLL = 2.0
_SICK_SECONDS = 60.0
_VICTIM_PATIENCE = 60.0
_RUN_NUMBERS = count(1)


@dataclass(kw_only=True)
class Run:
    """A run that is watched."""

    platform: Platform
    truths: Mapping[str, Truth]
    down: float
    """Seconds between a kill and the new start."""
    most_mends: int
    patience: float
    """Seconds without any validation that ends, after which the run is called stuck."""
    dice: random.Random = field(default_factory=random.Random)
    mends: Counter[str] = field(default_factory=Counter)
    _current: DagRun | None = None
    _sick_since: float | None = None
    _shown: str = ""

    def __call__(self, name: str, plan: Sequence[Moment]) -> Ending:
        """Validate everything, with these kills. Raises SwemillError."""
        self._began = time.monotonic()
        self._progress = (0, self._began)
        self.platform.up()
        self._began = time.monotonic()
        self._current = self._trigger()
        kills = [self._kill(moment) for moment in plan]
        self._watch(until=None)
        seconds = time.monotonic() - self._began
        return self._ending(name, seconds, kills)

    # --- watching ---

    def _watch(self, *, until: int | None) -> bool:
        """Until so many validations have ended (None: until nothing is left); False: all was over before that."""
        while True:
            try:
                done = done_so_far(self.platform.mill())
                if until is not None and done >= until:
                    return True
                if self._is_over(done):
                    return False
            except (OrchestratorUnavailable, StoreUnavailable) as trouble:
                self._bring_up(f"{type(trouble).__name__}: {trouble}")
            time.sleep(_POLL)

    def _is_over(self, done: int) -> bool:
        """Whether nothing runs and nothing is left to do; what is left without a run is asked for again."""
        api = self.platform.api()
        run = api.run(DAG, self._current.run_id) if self._current else None
        if run is not None and run.state in UNFINISHED_RUN:
            self._check(done, run)
            return False
        # A run may have started the next one.
        if unfinished := api.runs(DAG, states=UNFINISHED_RUN):
            self._current = unfinished[0]
            return False
        if not validate.pending(self.platform.mill()):
            if run is not None and run.state == "failed":
                self._mend("ended red with all facts there")
            return True
        if run is not None and run.state == "failed":
            self._mend("failed tasks cleared")
            api.retry_failed(run)
        else:
            self._mend("triggered again")
            self._current = self._trigger()
        return False

    def _check(self, done: int, run: DagRun) -> None:
        """Say how far it is; start what does not live; give up a run in which nothing happens any more."""
        api, now = self.platform.api(), time.monotonic()
        shown = str(Counts.of(api.task_instances(run)))
        if (done, shown) != (self._progress[0], self._shown):
            self.platform.say(f"  {now - self._began:5.0f} s  {done} facts; {shown}")
            self._shown = shown
        if done != self._progress[0]:
            self._progress = (done, now)
        if now - self._progress[1] > self.patience:
            raise Stuck(f"nothing was validated for {self.patience:.0f} s: {shown}; {self._tasks(run)}")
        health = api.health()
        if health and health.all_healthy:
            self._sick_since = None
        elif self._sick_since is None:
            self._sick_since = now
        elif now - self._sick_since > _SICK_SECONDS:
            self._bring_up(f"unhealthy: {health}")

    def _tasks(self, run: DagRun) -> str:
        tasks = self.platform.api().task_instances(run)
        return ", ".join(f"{one.task_id} {one.label} {one.state} try {one.attempt}" for one in tasks)

    def _bring_up(self, why: str) -> None:
        self._mend("`swemill up` besides the one after a kill")
        self.platform.say(f"  bringing up: {why[:300]}")
        self._sick_since = None
        self.platform.up()

    def _mend(self, what: str) -> None:
        self.mends[what] += 1
        self.platform.say(f"  mended: {what}")
        if self.mends.total() > self.most_mends:
            raise Stuck(f"mended more than {self.most_mends} times: {dict(self.mends)}")

    def _trigger(self) -> DagRun:
        api = self.platform.api()
        until = time.monotonic() + self.patience
        while not api.dag_exists(DAG):
            if time.monotonic() > until:
                raise Stuck(f"Airflow does not know the DAG {DAG}: {api.import_errors()}")
            time.sleep(_POLL)
        api.unpause(DAG)
        return api.trigger(DAG, run_id=f"drill-{os.getpid()}-{next(_RUN_NUMBERS)}", conf={})

    # --- killing ---

    def _kill(self, moment: Moment) -> Kill:
        """Wait for the moment, kill, and start again."""
        in_time = self._watch(until=moment.done)
        if in_time:
            time.sleep(moment.delay)
        counts = self._counts()
        done = done_so_far(self.platform.mill())
        with connect(self.platform.machine.host) as engine:
            containers = len(engine.containers(filters={"label": STAGE_LABEL}))
        at = time.monotonic() - self._began
        victim = self._strike(moment.kind) if in_time else ""
        self.platform.say(f"  {at:5.0f} s  killed: {moment.kind} ({victim or 'nobody there'}); {counts}")
        time.sleep(self.down)
        if victim and moment.kind == "dockerd":
            self.platform.machine.start_engine()
        elif victim and moment.kind == "machine":
            self.platform.machine.power_on()
        up = self.platform.up()
        return Kill(kind=moment.kind, at=at, victim=victim, done=done, counts=counts, containers=containers, up=up)

    def _counts(self) -> str:
        if self._current is None:
            return ""
        return str(Counts.of(self.platform.api().task_instances(self._current)))

    def _strike(self, kind: str) -> str:
        """Kill one of a kind; its name, or nothing where none lives."""
        platform = self.platform
        if kind in ("task", "worker"):
            return self._strike_task(kind)
        if kind == "dockerd":
            platform.machine.kill_engine()
            return "dockerd and containerd"
        if kind == "machine":
            platform.machine.power_off()
            return "every process of the engine's machine"
        victim = platform.scheduler() if kind == "scheduler" else platform.postmaster()
        return f"{kind} {victim.pid}" if victim and _killed(victim) else ""

    def _strike_task(self, kind: str) -> str:
        """Kill a running task with its group, or with its supervisor, which is a worker of the executor, too."""
        until = time.monotonic() + _VICTIM_PATIENCE
        while not (found := self.platform.tasks()):
            if time.monotonic() > until:
                return ""
            time.sleep(0.05)
        worker, task = self.dice.choice(found)
        name = self.platform.task_name(task) or f"process {task.pid}"
        if kind == "worker":
            _killed(worker)
        with suppress(ProcessLookupError):
            os.killpg(task.pid, signal.SIGKILL)
            return name
        return ""

    # --- what came of it ---

    def _ending(self, name: str, seconds: float, kills: Sequence[Kill]) -> Ending:
        platform = self.platform
        runs = platform.api().runs(DAG)
        tries = max(one.attempt for run in runs[:1] for one in platform.api().task_instances(run))
        with connect(platform.machine.host) as engine:
            left = len(others(engine))
            platform.command("reap")
            after = others(engine)
        mill = platform.mill()
        facts = facts_of(mill)
        return Ending(
            name=name,
            seconds=seconds,
            kills=tuple(kills),
            mends=dict(self.mends),
            tries=tries,
            incidents=dict(incidents_of(mill)),
            left=left,
            facts=facts,
            wrong=tuple(_wrong(after, platform, facts, self.truths)),
        )


def _wrong(left: Sequence[str], platform: Platform, facts: Facts, truths: Mapping[str, Truth]) -> Iterator[str]:
    yield from (f"container {one} is left after the reaper" for one in left)
    yield from (f"the task {platform.task_name(task)} still runs" for _, task in platform.tasks())
    yield from untruths(facts, truths)


def _killed(victim: Identity) -> bool:
    """Kill one process; whether it lived."""
    if not victim.alive():
        return False
    with suppress(ProcessLookupError):
        os.kill(victim.pid, signal.SIGKILL)
        return True
    return False
