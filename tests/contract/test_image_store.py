"""The images of the real engine: levels, own sizes, what stands on what, and removal that never goes by force."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.image_store import DockerImageStore
from swemill.adapters.docker.policy import EFFECT_LABEL, LABEL, STORE_LABEL
from swemill.adapters.docker.tar import tar_of
from swemill.cli.main import main
from swemill.settings import Settings
from swemill.values import ImageLevel, StoredImage

pytestmark = pytest.mark.docker

Make = Callable[..., str]
"""``make(below, tag, size)``: the id of an image with one more file of ``size`` bytes."""


@pytest.fixture
def store(api) -> DockerImageStore:
    return DockerImageStore(api)


@pytest.fixture(scope="module")
def base(api) -> str:
    return DockerBuilder(api, settings=Settings.load()).base().reference


@pytest.fixture
def make(api) -> Iterator[Make]:
    made = []

    def image(below: str, tag: str = "", size: int = 1000) -> str:
        labels = {LABEL: "1", EFFECT_LABEL: "e" * 64, STORE_LABEL: "7-1"}
        container = api.create_container(below, labels=labels)["Id"]
        try:
            api.put_archive(container, "/opt", tar_of({f"file-{len(made)}": os.urandom(size)}, modified=0))
            repository, _, name = tag.rpartition(":")
            made.append(api.commit(container, repository=repository or None, tag=name or None)["Id"])
        finally:
            api.remove_container(container)
        return made[-1]

    yield image
    for one in reversed(made):
        if api.images(filters={"label": f"{LABEL}=1"}) and one in {image["Id"] for image in api.images(all=True)}:
            api.remove_image(one, force=True)


@pytest.fixture
def tag() -> Callable[[str], str]:
    return lambda level: f"swemill/{level}:test-{os.getpid()}"


def by_id(store: DockerImageStore) -> dict[str, StoredImage]:
    return {image.id: image for image in store.images()}


def test_three_levels_and_a_leftover(api, store, make, tag, base):
    environment = make(base, tag("environment"), 300_000)
    instance = make(environment, tag("instance"), 20_000)
    leftover = make(base, "", 5_000)
    found = by_id(store)
    below = found[api.inspect_image(base)["Id"]]
    assert below.level is ImageLevel.BASE
    assert below.bytes > 100_000_000
    assert [found[one].level for one in (environment, instance, leftover)] == [
        ImageLevel.ENVIRONMENT,
        ImageLevel.INSTANCE,
        None,
    ]
    assert [found[one].bytes for one in (environment, instance, leftover)] == [300_000, 20_000, 5_000]
    assert [found[one].parent for one in (environment, instance, leftover)] == [below.id, environment, below.id]
    assert found[leftover].tags == ()
    assert (found[instance].effect_key, found[instance].store) == ("e" * 64, "7-1")
    assert abs(datetime.now(UTC) - found[instance].created) < timedelta(minutes=5)
    assert store.remove(found[leftover])
    assert store.remove(found[instance])
    assert store.remove(found[environment])
    assert not {environment, instance, leftover} & set(by_id(store))


def test_all_tags_go_and_one_that_moved_on_stays(api, store, make, tag, base):
    first = make(base, tag("instance"))
    api.tag(first, "registry.example.com/swemill/instance", "more")
    seen = by_id(store)[first]
    assert set(seen.tags) == {tag("instance"), "registry.example.com/swemill/instance:more"}
    second = make(base, tag("instance"))
    assert store.remove(seen)
    assert by_id(store)[second].tags == (tag("instance"),)
    assert store.remove(seen), "it is gone already"


def test_what_a_container_uses_stays(api, store, make, tag, base):
    image = make(base, tag("instance"))
    container = api.create_container(tag("instance"))["Id"]
    try:
        used = by_id(store)[image]
        assert used.in_use
        assert not store.remove(used)
        assert by_id(store)[image].tags == (tag("instance"),)
    finally:
        api.remove_container(container)
    assert store.remove(used)


def test_what_another_image_stands_on_stays(store, make, tag, base):
    environment = make(base, tag("environment"))
    make(environment, tag("instance"))
    assert not store.remove(by_id(store)[environment])


@pytest.fixture
def swemill(monkeypatch, capsys, tmp_path, database) -> Callable[..., tuple[int, str, str]]:
    """``swemill(*arguments)``: exit code, standard output, standard error; over a database without facts."""
    monkeypatch.setenv("SWEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SWEMILL_DATABASE_URL", database)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["swemill", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


@pytest.mark.postgres
def test_the_command_lists_and_tells_what_it_would_remove(swemill, make, tag, base):
    instance, leftover = make(base, tag("instance")), make(base)
    code, out, _ = swemill("images", "--json")
    assert code == 0
    listed = {entry["id"]: entry for entry in json.loads(out)}
    assert (listed[instance]["tags"], listed[instance]["level"]) == ([tag("instance")], "instance")
    assert (listed[leftover]["tags"], listed[leftover]["instance"], listed[leftover]["pending"]) == ([], None, False)
    code, out, _ = swemill("images", "--level", "instance")
    assert code == 0
    assert tag("instance") in out
    assert base not in out
    code, out, _ = swemill("images", "--collect", "--dry-run", "--json")
    assert code == 0
    assert not {tag("instance"), leftover[:19]} & {entry["image"] for entry in json.loads(out)["removed"]}, "too young"


@pytest.mark.postgres
@pytest.mark.parametrize(
    "arguments",
    [("--budget", "5"), ("--dry-run",), ("--collect", "--level", "base"), ("--collect", "--repository", "x")],
)
def test_options_that_mean_nothing_together_are_refused(arguments, swemill):
    code, _, err = swemill("images", *arguments)
    assert code == 1
    assert "--collect" in err
