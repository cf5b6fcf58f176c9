"""From an instance to a build plan: pure functions, one module a strategy of the installation ladder.

The image layout that every strategy produces and every sandbox relies on:

- ``/opt/testbed``: the checkout at the base commit, a git repository owned by uid 1000; copied to ``/testbed`` when a
  sandbox starts. It was built at ``/testbed``, so editable installs point there;
- ``/opt/venv``: the environment, first on PATH;
- ``/opt/lock.txt``: what is installed in it, one ``name==version`` a line.
"""

from swemill.environment.dated import dated
from swemill.environment.dockerfile import Recipe, render
from swemill.environment.unified import unified
from swemill.values import BaseImage, BuildPlan, InstanceSpec, Strategy

__all__ = ["Recipe", "plan", "recipe"]


def recipe(instance: InstanceSpec, *, strategy: Strategy, python: str) -> Recipe:
    """What ``strategy`` does for ``instance`` on a base image with this Python (``3.9``)."""
    return {Strategy.UNIFIED: unified, Strategy.DATED: dated}[strategy](instance, python=python)


def plan(
    instance: InstanceSpec, snapshot: bytes, *, strategy: Strategy, base: BaseImage, tag: str, timeout: int
) -> BuildPlan:
    """The build plan of ``instance``; equal arguments give equal plans, so the engine's cache works.

    Args:
        instance: the task; its base commit, its date and its version are used.
        snapshot: tar with the bare repository ``repo.git`` that holds the base commit and nothing else.
        strategy: rung of the ladder.
        base: image to start from.
        tag: tag of the image to make.
        timeout: seconds the build may take.
    """
    return render(
        recipe(instance, strategy=strategy, python=base.python), instance, snapshot, base=base, tag=tag, timeout=timeout
    )
