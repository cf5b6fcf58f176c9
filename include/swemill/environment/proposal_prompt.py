"""What the model is told: the grammar, what the base images hold, what success is, and what failed before it.

All of it is one text of ours with foreign parts (paths, lines of logs) that are bounded and stand below headings of
their own. What a repository manages to say to the model this way cannot do harm: the model's word is a Dockerfile of a
small grammar, and that is built and looked at without the model.
"""

from collections.abc import Sequence

from swemill.environment.image_plans import rfc3339
from swemill.environment.proposal import BASE
from swemill.values import CommitTree, Failure, InstanceSpec

HAND_IN = "/tmp/Dockerfile"
"""Where the agent leaves its proposal."""
EXPLORING_VENV = "/tmp/venv"
"""The virtual environment in which the agent tries things out; its sandbox can write nowhere else."""

_MOST_PATHS = 150
_MOST_FAILURES = 12
_TELLING = (
    "README", "CONTRIBUTING", "INSTALL", "setup.py", "setup.cfg", "pyproject.toml", "tox.ini", "noxfile.py", "Makefile",
    "pytest.ini", "conftest.py", "environment.yml", "Pipfile", ".travis.yml", "Dockerfile", ".gitmodules",
)  # fmt: skip


def task(instance: InstanceSpec, tree_summary: str, failures: Sequence[Failure], *, pythons: Sequence[str]) -> str:
    """The task as the model reads it."""
    return _TASK.format(
        repository=instance.repository,
        commit=instance.base_commit,
        date=rfc3339(instance.base_committed_at),
        bases="\n".join(f"    FROM {BASE}{python}" for python in pythons),
        hand_in=HAND_IN,
        venv=EXPLORING_VENV,
        failures="\n".join(f"- {_failure(failure)}" for failure in failures[-_MOST_FAILURES:]) or "- nothing was tried",
        tree=tree_summary.strip() or "(nothing is known; look into /testbed)",
    )


def tree_summary(tree: CommitTree) -> str:
    """The paths that tell most about an installation: files of the root, then those that are known by name."""
    root = [path for path in tree.paths if "/" not in path]
    folders = sorted({path.partition("/")[0] + "/" for path in tree.paths if "/" in path})
    known = [path for path in tree.paths if "/" in path and path.rpartition("/")[2].startswith(_TELLING)]
    wanted = [*folders, *root, *(path for path in known if path.count("/") <= 2)]
    shown = [path[:200] for path in wanted if path.isprintable()][:_MOST_PATHS]
    return f"{len(tree.paths)} files, among them:\n" + "\n".join(shown)


def build_feedback(why: str, log: str) -> str:
    """What the model hears when its proposal did not work."""
    return (
        f"Your Dockerfile was taken, but it does not work: {why}\n"
        f"The end of the log:\n{log[-6000:]}\n"
        f"Change {HAND_IN} and submit again."
    )


def refusal_feedback(why: str) -> str:
    """What the model hears when its proposal is not built at all, or built and not believed."""
    return f"Your Dockerfile is refused: {why}\nChange {HAND_IN} and submit again."


def _failure(failure: Failure) -> str:
    about = f" ({failure.subject[:100]})" if failure.subject else ""
    return f"{failure.phase}: {failure.kind}{about}: {failure.line.strip()[:300] or 'no telling line'}"


SYSTEM = (
    "You set up Python repositories so that their tests run. You work with a Linux shell through tool calls, and hand "
    "in a Dockerfile."
)

INSTANCE = """\
{{task}}

# How to work

Each of your answers holds a short thought and at least one call of the tool `bash`. Each command runs in a new shell,
so `cd` and variables do not last. Nothing interactive. To hand in, write the Dockerfile and then run exactly:

    echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT

You hear what became of it, and can change it and hand it in again, within your budget.
"""

_TASK = """\
# Task

Write a Dockerfile that installs {repository} at commit {commit} (of {date}), so that its own tests run offline.

The Dockerfile is built without you, from a fresh checkout, and then looked at from outside. It is right when

- all its commands succeed, with no network but a PyPI mirror (the usual settings of pip and uv point to it);
- `python -m pytest` in /testbed, without any network, collects the tests and at least one of them passes;
- the checkout is untouched: no tracked file changed or gone, no new conftest.py, test or configuration file;
- the environment /opt/venv holds nothing but installed distributions as the index has them, and the project itself,
  installed editable (`uv pip install -e .`). No sitecustomize, no patched packages.

Tests that fail are fine and stay as they are. What counts is a faithful environment: the right Python, the versions of
the time, the packages that tests need.

# The grammar

One of these lines, first:

{bases}

    ENV NAME=value                       before the first RUN; not PATH, PYTHON*, PYTEST_*, PIP_*, UV_* and the like
    RUN apt-get install -y NAME ...      Debian packages, with nothing else in the same RUN
    WORKDIR /testbed/...
    RUN command                          by `sh -eu -c`, as the user mill (uid 1000), in the WORKDIR

There is no COPY, ADD, ARG, second FROM, `RUN --mount`, heredoc (use printf), or command as root.

The base image holds git, gcc, g++, make, pkg-config, uv, and the usual -dev packages. Before your first command the
checkout lies in /testbed, and /opt/venv is an empty virtual environment with pip, first on PATH. The checkout has a tag
with its version for the time of the build. pytest is not installed: do it. `uv pip install --exclude-newer DATE` takes
the versions of a day.

# Your sandbox

It is like the build: the checkout in /testbed, the same network. But you can write to /testbed and /tmp only, so your
own environment is {venv} (active already), there is one Python, and Debian packages cannot be installed.
Leave the Dockerfile in {hand_in}.

# What was tried before, by rules

{failures}

# The repository

{tree}
"""
