"""A container that was taken away is nobody's verdict, however late the engine notices."""

from typing import Any

import pytest

from swemill.adapters.docker import container_life
from swemill.adapters.docker.container_life import ContainerLife
from swemill.adapters.docker.exec_stream import StreamEnd
from swemill.errors import SandboxUnavailable

_RUNNING = {"Running": True, "OOMKilled": False, "ExitCode": 0}
_NOT_STARTED = StreamEnd(exec_id="e", started=False, expired=False, output=b"", truncated=False, seconds=0.0)


class Engine:
    """Tells these states of the container, one a question, and the last one for ever."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)

    def inspect_container(self, container: str) -> dict[str, Any]:
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def exec_inspect(self, exec_id: str) -> dict[str, Any]:
        return {"Running": False, "ExitCode": 126}


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_life, "GRACE", 1.0)


def life(*states: dict[str, Any]) -> ContainerLife:
    return ContainerLife(Engine(*states), "c", name="swemill-x")  # type: ignore[arg-type]


def test_killed_from_outside_and_called_running_for_a_while() -> None:
    late = life(_RUNNING, _RUNNING, {"Running": False, "OOMKilled": False, "ExitCode": 137})
    with pytest.raises(SandboxUnavailable, match="stopped from outside"):
        late.blame(_NOT_STARTED)
    assert not late.is_over()


def test_out_of_memory_and_called_running_for_a_while() -> None:
    late = life(_RUNNING, _RUNNING, {"Running": False, "OOMKilled": True, "ExitCode": 137})
    late.blame(_NOT_STARTED)
    assert late.result().out_of_memory


def test_one_that_goes_on_running_is_full_of_its_commands_processes() -> None:
    full = life(_RUNNING)
    full.blame(_NOT_STARTED)  # the caller ends it then
    assert not full.is_over()
