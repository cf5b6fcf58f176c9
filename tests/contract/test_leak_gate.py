"""The leak gate on images of the real engine: what a build leaves passes, and no way of leaking that it tries does.

Every way there is to leak is tried on local git in ``test_leak_gate_ways.py``. Here the sandbox, its work folder and
the image's own git are real. An image costs seconds, so the ways are tried in one sandbox's work folder, one by one,
and then together where a build would hide them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.git_snapshot import snapshot_of
from swemill.environment.image_plans import one_step
from swemill.environment.leak_gate import Leak, LeakKind
from swemill.environment.unified import unified
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.settings import Settings
from swemill.stages import leak_gate
from swemill.values import BuildPlan, Limits, SandboxSpec
from tests.instances import INSTANCE
from tests.unit.git_work_tree import WorkTree, git

pytestmark = pytest.mark.docker

SETTINGS = replace(Settings.load(), sandbox_memory=2 << 30, sandbox_cpus=2.0, registry="")
SETUP = "from setuptools import setup\nsetup(name='tiny', version='1', py_modules=['a'])\n"


@dataclass(frozen=True, kw_only=True)
class Future:
    """What a fetch would bring."""

    commit: str
    pack: bytes
    bundle: bytes


@dataclass(frozen=True, kw_only=True)
class Past:
    """An image of the base commit, and what came after."""

    image: str
    base: str
    future: Future


@pytest.fixture(scope="module")
def tags(api) -> Iterator[list[str]]:
    """Tags of images that go when the module is done, the uppermost last."""
    made: list[str] = []
    yield made
    for tag in reversed(made):
        if api.images(tag):
            api.remove_image(tag, force=True)


@pytest.fixture(scope="module")
def builder(api) -> DockerBuilder:
    return DockerBuilder(api, settings=SETTINGS)


@pytest.fixture(scope="module")
def past(builder: DockerBuilder, tags: list[str], tmp_path_factory) -> Past:
    """A project that the mill's own script has installed."""
    tree = WorkTree(tmp_path_factory.mktemp("past") / "full")
    tree.commit("first", a="first = 1\n")
    base = tree.commit("base", a="base = 2\n", setup=SETUP)
    commit = tree.commit("the fix", a="fixed = 3\n", new="answer = 42\n")
    pack = git(tree.root, "pack-objects", "--stdout", "--revs", "-q", stdin=commit.encode())
    bundle = git(tree.root, "bundle", "create", "-q", "-", "main")
    instance = replace(INSTANCE, base_commit=base)
    image = builder.base()
    plan = one_step(
        unified(instance, python=image.python),
        instance,
        snapshot_of(tree.root / ".git", base),
        base=image,
        effect_key=f"leak-{os.getpid()}",
        timeout=300,
    )
    return Past(image=built(builder, plan, tags), base=base, future=Future(commit=commit, pack=pack, bundle=bundle))


@pytest.fixture(scope="module")
def sandbox(engine: SandboxEngine, past: Past) -> Iterator[RunningSandbox]:
    """One sandbox of the clean image, whose work folder is made anew for each leak."""
    with engine.start(spec(past.image, "ways")) as started:
        yield started


def built(builder: DockerBuilder, plan: BuildPlan, tags: list[str]) -> str:
    result = builder.build(plan)
    assert result.image, result.log
    tags.append(plan.tag)
    return plan.tag


def spec(image: str, name: str) -> SandboxSpec:
    return SandboxSpec(
        name=f"swemill-leak-{name}-{os.getpid()}",
        image=image,
        limits=Limits(),
        effect_key="l",
        stage="test",
        subject="leak",
    )


def shell(sandbox: RunningSandbox, text: str, *, stdin: bytes = b"") -> str:
    result = sandbox.run(["sh", "-ec", text], timeout=60, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.output.decode()


def kinds(found: tuple[Leak, ...]) -> set[LeakKind]:
    return {leak.kind for leak in found}


def test_what_the_mills_own_script_leaves_passes(engine, past: Past) -> None:
    with engine.start(spec(past.image, "clean")) as sandbox:
        assert leak_gate.check(sandbox, past.base, 60) == ()
        assert "tiny.egg-info" in shell(sandbox, "ls -A; pip list --editable"), "the project is installed"
        wrong = leak_gate.check(sandbox, past.future.commit, 60)
        assert LeakKind.UNLISTABLE in kinds(wrong), "the gate holds it against the base commit, whatever is there"


BRING = "git index-pack --stdin >/dev/null"
NEST = "git init -q vendor/tool && cd vendor/tool && git unpack-objects -q && git update-ref HEAD $FUTURE"
LOG = "%s %s A <a@localhost> 1704067200 +0000\\treset: moving\\n"

LEAKS: dict[str, tuple[set[LeakKind], str]] = {
    "a pack without reference": ({LeakKind.OBJECT}, BRING),
    "loose objects": ({LeakKind.OBJECT}, "git unpack-objects -q"),
    "a tag": ({LeakKind.OBJECT, LeakKind.REFERENCE}, f"{BRING}; git tag v2 $FUTURE"),
    "a tag in packed-refs": (
        {LeakKind.OBJECT, LeakKind.REFERENCE},
        f"{BRING}; git tag v2 $FUTURE; git pack-refs --all; [ ! -e .git/refs/tags/v2 ]",
    ),
    "a reflog entry": ({LeakKind.REFLOG}, f"mkdir -p .git/logs; printf '{LOG}' $FUTURE $BASE >.git/logs/HEAD"),
    "an alternate": ({LeakKind.ALTERNATE}, "echo /opt/more/objects >.git/objects/info/alternates"),
    "a remote": ({LeakKind.REMOTE}, "git remote add origin https://git.example.org/o/calc.git"),
    "a FETCH_HEAD": ({LeakKind.OPERATION}, 'echo "$FUTURE\t\tbranch main of elsewhere" >.git/FETCH_HEAD'),
    "a replaced commit": ({LeakKind.OBJECT, LeakKind.REPLACEMENT}, f"{BRING}; git replace $BASE $FUTURE"),
    "a nested clone": ({LeakKind.REPOSITORY}, NEST),
    "a file of the fix": ({LeakKind.TREE}, "echo 'fixed = 3' >a.py"),
}


def variables(past: Past) -> str:
    return f"BASE={past.base} FUTURE={past.future.commit}\n"


@pytest.mark.parametrize("name", LEAKS)
def test_what_knows_of_the_future_is_found_in_the_work_folder(name: str, sandbox: RunningSandbox, past: Past) -> None:
    expected, steps = LEAKS[name]
    shell(sandbox, "find /testbed -mindepth 1 -delete; cp -a /opt/testbed/. /testbed/")
    shell(sandbox, variables(past) + steps, stdin=past.future.pack)
    assert kinds(leak_gate.check(sandbox, past.base, 60)) == expected


# What a build can do, it can do well hidden, and it can leave programs that deny it.
HIDING = """
cd /opt/testbed
git index-pack --stdin </opt/build/future.pack >/dev/null
git tag v2 $FUTURE; git pack-refs --all
git init -q --bare /opt/venv/lib/data
git --git-dir /opt/venv/lib/data unpack-objects -q </opt/build/future.pack
git clone -q /opt/build/future.bundle /home/mill/notes
mkdir -p /home/mill/.local/share
cp /opt/build/future.bundle /home/mill/.local/share/icon.png
cp /opt/build/future.pack /opt/venv/share.bin
for program in git tar head cat python3 find; do
    rm -f /opt/venv/bin/$program
    printf '#!/bin/sh\\necho fake\\n: >/tmp/fooled\\n' >/opt/venv/bin/$program
    chmod 755 /opt/venv/bin/$program
done
/usr/bin/find /opt/build -mindepth 1 -delete
"""


def test_a_build_cannot_hide_what_it_brought(builder: DockerBuilder, engine, past: Past, tags: list[str]) -> None:
    plan = BuildPlan(
        base=past.image,
        files={
            "install.sh": f"set -e\n{variables(past)}{HIDING}".encode(),
            "future.pack": past.future.pack,
            "future.bundle": past.future.bundle,
        },
        tag=f"swemill/test:hiding-{os.getpid()}",
        timeout=60,
    )
    with engine.start(spec(built(builder, plan, tags), "hiding")) as sandbox:
        found = leak_gate.check(sandbox, past.base, 60)
        assert shell(sandbox, "test ! -e /tmp/fooled; git status") == "fake\n", "the programs are there, none was used"
    assert kinds(found) == {LeakKind.OBJECT, LeakKind.REFERENCE, LeakKind.REPOSITORY}
    assert any(past.future.commit in leak.detail for leak in found if leak.kind is LeakKind.OBJECT)
    elsewhere = " ".join(leak.detail for leak in found if leak.kind is LeakKind.REPOSITORY)
    for place in (
        "/opt/venv/lib/data",
        "/home/mill/notes/.git",
        "/home/mill/.local/share/icon.png",
        "/opt/venv/share.bin",
    ):
        assert place in elsewhere
