"""Base images on the real engine: made once, with the Python and the Debian packages that are asked for."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from swemill.adapters.docker import base_packages, base_recipe
from swemill.adapters.docker.base_catalogue import SUITES, BaseKind, mirror_serves
from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.errors import ConfigurationError
from swemill.settings import Settings
from swemill.values import BaseImage, Limits, SandboxSpec

pytestmark = pytest.mark.docker

CONFIG = BaseImageConfig.of(Settings.load())


@pytest.fixture(scope="module")
def bases(api) -> BaseImages:
    return BaseImages(api, config=CONFIG)


def words(api, base: BaseImage, command: str) -> str:
    spec = SandboxSpec(
        name=f"swemill-base-{os.getpid()}",
        image=base.reference,
        limits=Limits(),
        effect_key="b",
        stage="test",
        subject="b",
    )
    with DockerSandboxEngine(api).start(spec) as sandbox:
        return sandbox.run(["sh", "-c", command], timeout=60).output.decode().strip()


def test_the_base_image_is_made_once_and_found_again(bases: BaseImages) -> None:
    base = bases.get()
    started = time.monotonic()
    assert bases.get() == base
    assert bases.get(SUITES[CONFIG.suite]) == base
    assert time.monotonic() - started < 2
    assert base.digest.startswith("sha256:")
    assert base.python == SUITES[CONFIG.suite]
    assert base.source in ("registry", "debootstrap")
    assert base.packages == ()


def test_it_holds_what_builds_need(api, bases: BaseImages) -> None:
    base = bases.get()
    tools = (
        "for tool in gcc g++ make git uv pkg-config ps locale xz; do command -v $tool >/dev/null || echo no $tool; done"
    )
    assert words(api, base, tools) == ""
    assert words(api, base, "python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'") == base.python
    assert words(api, base, "python3 -m venv /tmp/v && uv venv -q /tmp/u && echo ok") == "ok"
    assert words(api, base, "find / -xdev -perm /6000 -type f 2>/dev/null") == ""


def test_the_builds_environment_does_not_win_over_what_is_set(api, bases: BaseImages) -> None:
    assert words(api, bases.get(), ". /etc/swemill/build.env; env | grep -c INDEX").isdigit()
    set_before = "export PIP_INDEX_URL=http://mine UV_DEFAULT_INDEX=http://mine; . /etc/swemill/build.env; env"
    seen = [line for line in words(api, bases.get(), set_before).splitlines() if "INDEX" in line]
    assert sorted(seen) == ["PIP_INDEX_URL=http://mine", "UV_DEFAULT_INDEX=http://mine"]


def test_pythons_are_asked_for_once_and_in_order(bases: BaseImages) -> None:
    offered = bases.pythons()
    assert bases.get().python in offered
    assert list(offered) == sorted(offered, key=lambda version: int(version.partition(".")[2]))
    started = time.monotonic()
    assert bases.pythons() == offered
    assert time.monotonic() - started < 0.1


def test_a_python_that_cannot_be_had_is_the_users_mistake(bases: BaseImages) -> None:
    with pytest.raises(ConfigurationError, match=r"2\.7"):
        bases.get("2.7")
    with pytest.raises(ConfigurationError, match="no-such"):
        BaseImages(connect(None), config=replace(CONFIG, suite="no-such")).get()


def test_only_releases_that_the_mirror_serves_are_offered(api, bases: BaseImages, tmp_path: Path) -> None:
    assert not mirror_serves("bullseye", tmp_path.as_uri())
    (tmp_path / "dists/bookworm").mkdir(parents=True)
    (tmp_path / "dists/bookworm/InRelease").write_text("x")
    assert mirror_serves("bookworm", tmp_path.as_uri())
    bases.get()
    # Another index makes recipes of its own, so that nothing counts as made before.
    config = replace(CONFIG, source="debootstrap", mirror=tmp_path.as_uri(), index_url="http://127.0.0.1:9/offered")
    assert BaseImages(api, config=config).pythons() == (("3.11",) if os.geteuid() == 0 else ())
    made_before = replace(CONFIG, source="debootstrap", mirror=tmp_path.as_uri())
    assert bases.get().python in BaseImages(api, config=made_before).pythons()


def test_two_callers_make_one_base_image(api, bases: BaseImages, tmp_path: Path) -> None:
    made: list[str] = []

    class Counting(BaseImages):
        def _make(self, tag: str, kind: BaseKind, context: Mapping[str, bytes]) -> None:
            time.sleep(0.3)
            repository, _, name = tag.rpartition(":")
            api.tag(bases.get().reference, repository, name)
            made.append(tag)

    url = f"http://127.0.0.1:9/{os.getpid()}"  # makes a recipe of its own
    config = replace(CONFIG, index_url=url, lock_dir=tmp_path)
    callers = [threading.Thread(target=Counting(connect(None), config=config).get) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(made) == 1
    api.remove_image(made[0])


def test_pip_is_told_to_trust_an_index_without_tls_and_no_other() -> None:
    def variables(url: str) -> str:
        return base_recipe.context(debian_python=True, ca_bundle=None, index_url=url)["build.env"].decode()

    assert ': "${PIP_TRUSTED_HOST:=index.local:3141}"' in variables("http://user@index.local:3141/simple")
    assert "TRUSTED" not in variables("https://index.local/simple")


def test_an_index_url_cannot_carry_shell() -> None:
    for url in ('http://x/"; id; "', "http://x/$(id)", "http://x/`id`", "http://x/}"):
        with pytest.raises(ConfigurationError):
            base_recipe.context(debian_python=True, ca_bundle=None, index_url=url)


@pytest.fixture
def with_packages(api, bases: BaseImages) -> Iterator[BaseImage]:
    base = bases.get(packages=("libpq-dev", "no-such-package-here", "tree", "rm -rf /", "../x", "-y", "gcc-", "tree"))
    yield base
    api.remove_image(base.reference, force=True)


def test_packages_come_on_top_and_unknown_ones_are_left_out(api, bases: BaseImages, with_packages: BaseImage) -> None:
    assert with_packages.packages == ("libpq-dev", "tree")
    assert with_packages.python == bases.get().python
    assert with_packages.source == bases.get().source
    assert words(api, with_packages, "for tool in tree pg_config gcc; do command -v $tool; done; id -un") == (
        "/usr/bin/tree\n/usr/bin/pg_config\n/usr/bin/gcc\nmill"
    )
    assert words(api, with_packages, "ls -d /usr/sbin/policy-rc.d /tmp/setup /var/lib/apt/lists/* 2>/dev/null") == ""
    names = ("tree", "libpq-dev", "no-such-package-here")
    started = time.monotonic()
    assert bases.get(packages=names) == with_packages, "order and repetition make no other image"
    assert time.monotonic() - started < 2


def test_packages_that_debian_lacks_make_no_other_base_image(bases: BaseImages) -> None:
    assert bases.get(packages=["no-such-package-here"]) == bases.get()


def test_what_no_test_reads_is_not_there(api, bases: BaseImages, with_packages: BaseImage) -> None:
    if with_packages.source == "debootstrap":  # of a registry's image it depends on the image
        unread = "/usr/share/doc /usr/share/info /usr/share/locale /usr/share/man /var/cache/apt/*.bin"
        found = words(api, with_packages, f"find {unread} ! -type d ! -name copyright ! -name locale.alias 2>/dev/null")
        assert found == ""
        assert words(api, with_packages, "ls /usr/share/doc/libpq-dev/copyright /usr/share/i18n/locales/de_DE")


def test_names_of_packages_are_debians() -> None:
    assert base_packages.wanted(("g++", "libstdc++6", "python3.9-dev", "a", "A", "x y", "x;y", "x=1", "x/y")) == (
        "g++",
        "libstdc++6",
        "python3.9-dev",
    )
    assert len(base_packages.wanted([f"lib{number}" for number in range(1000)])) < 100
