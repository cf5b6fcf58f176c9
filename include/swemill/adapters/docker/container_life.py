"""Whether a sandbox's container still lives, and whose doing it is when it does not.

The engine's or the network's: ``SandboxUnavailable`` is raised. The command's (it ended its own sandbox by exhausting
it): that is a result, with exit code 137, and so is every later command in that sandbox.
"""

import logging
import time
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.exec_stream import StreamEnd
from swemill.errors import SandboxUnavailable
from swemill.values import ExecResult

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

KILLED = 137
GRACE = 15.0
"""Seconds that the engine gets beyond a command's own time-out before the outer clock acts."""


class ContainerLife:
    """What the engine knows of one container and of the commands in it."""

    def __init__(self, api: "APIClient", container: str, *, name: str) -> None:
        """Watch the running container ``container`` (its id); ``name`` is for messages."""
        self._api = api
        self._container = container
        self._name = name
        self.ended: str | None = None
        """Why the sandbox is over, in words; None while it lives."""

    def is_over(self) -> bool:
        """True once the sandbox has ended within its own rules; what comes after is its command's doing."""
        return self.ended is not None

    def blame(self, end: StreamEnd) -> None:
        """A command of ours came to nothing: was it what runs in the sandbox?

        Raises:
            SandboxUnavailable: it was the connection, or somebody else stopped or removed the container.
        """
        if self.ended_by_itself() or end.expired:
            return
        if self._inspect(end.exec_id).get("ExitCode") is None:
            raise SandboxUnavailable(f"the connection to sandbox {self._name} broke; run again")
        # An engine under load calls a container running for a while after its processes were killed.
        until = time.monotonic() + GRACE
        while not self.ended_by_itself() and time.monotonic() < until:
            time.sleep(0.25)

    def exit_code(self, end: StreamEnd) -> int:
        """Exit code of an ended exec. A sandbox that ended meanwhile by its command's doing counts as killed."""
        if self.is_over():
            return KILLED
        if self.is_running(end.exec_id, patience=GRACE):
            if self.ended_by_itself():
                return KILLED
            # The command's guard holds the stream open as long as it runs: only the connection can have ended it.
            raise SandboxUnavailable(f"the connection to a command in sandbox {self._name} broke; run again")
        code = self._inspect(end.exec_id).get("ExitCode")
        if code is None or self.ended_by_itself():
            return KILLED
        return int(code)

    def is_running(self, exec_id: str, *, patience: float) -> bool:
        """Whether a command still runs after ``patience`` seconds."""
        until = time.monotonic() + patience
        pause = 0.005
        while self._inspect(exec_id).get("Running"):
            if time.monotonic() > until:
                return True
            time.sleep(pause)
            pause = min(0.25, pause * 2)
        return False

    def ended_by_itself(self) -> bool:
        """True when the container has ended within its own rules: out of memory, or its wall clock is over.

        Raises:
            SandboxUnavailable: somebody else stopped or removed it, or the engine is gone.
        """
        if self.is_over():
            return True
        state = self._state()
        if state.get("Running"):
            return False
        if state.get("OOMKilled"):
            self.ended = "the sandbox ended: out of memory"
        elif state.get("ExitCode") == 0:
            self.ended = "the sandbox ended: its wall clock is over"
        else:
            raise SandboxUnavailable(
                f"sandbox {self._name} was stopped from outside (exit code {state.get('ExitCode')}); run again"
            )
        return True

    def end(self, why: str) -> None:
        """Kill the container for what its command did; ``why`` goes into the log and into every later result."""
        log.warning("sandbox %s: %s; ending it", self._name, why)
        # First the reason: whoever waits for a command in it may see the end before this call returns.
        self.ended = f"the sandbox was ended: {why}"
        with engine_errors(f"killing sandbox {self._name}"):
            self._api.kill(self._container)

    def result(self, end: StreamEnd | None = None) -> ExecResult:
        """The result of a command that ended its sandbox, or came after one that did."""
        for_memory = bool(self.ended and "out of memory" in self.ended)
        return ExecResult(
            exit_code=KILLED,
            output=(end.output if end else b"") + f"\n[{self.ended}]\n".encode(),
            truncated=end.truncated if end else False,
            timed_out=not for_memory,
            out_of_memory=for_memory,
            seconds=end.seconds if end else 0.0,
        )

    def _inspect(self, exec_id: str) -> dict[str, Any]:
        with engine_errors("asking how a command ended"):
            answer: dict[str, Any] = self._api.exec_inspect(exec_id)
        return answer

    def _state(self) -> dict[str, Any]:
        with engine_errors(f"looking at sandbox {self._name}"):
            state: dict[str, Any] = self._api.inspect_container(self._container)["State"]
        return state
