"""Every case of the hostile corpus through the real stages, in real containers (docs/hostile.md is its table)."""

import gzip
import io
import re
import resource
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import pytest

from swemill.adapters.sdist import UnreadableSdist, read_sdist
from swemill.ports import SandboxEngine
from tests.contract.conftest import BuildTestbed
from tests.hostile import cheats, exhaustion, patches, ways_out
from tests.hostile.attacked import AttackedRepository, End, judged, play
from tests.hostile.cases import Case
from tests.hostile.containment import Surroundings, surroundings
from tests.unit.shapes_of_repositories import BASE, NEW_TESTS

pytestmark = pytest.mark.docker

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
INSTALL = """\
. /etc/swemill/build.env
uv venv --quiet --allow-existing /opt/venv
uv pip install --quiet --python /opt/venv pytest
# As an editable installation does: the work folder is on the path of every Python that starts.
echo /testbed >"$(/opt/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/calc.pth"
"""
CASES = (*exhaustion.CASES, *patches.CASES, *ways_out.CASES, *cheats.CASES)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> AttackedRepository:
    return AttackedRepository(tmp_path_factory.mktemp("origin") / "repository", BASE)


@pytest.fixture(scope="module")
def image(repository: AttackedRepository, build_testbed: BuildTestbed) -> str:
    return build_testbed(repository.root, "swemill/test-hostile:1", steps=INSTALL)


@pytest.fixture(scope="module")
def around(api, engine: SandboxEngine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with surroundings(api, engine, image, tmp_path_factory.mktemp("canaries")) as found:
        yield found


def _honest(repository: AttackedRepository, engine: SandboxEngine, image: str) -> End:
    instance = repository.instance()
    return judged(instance, instance.patch, engine, image)


def _keep_to_old_engines(case: Case, api) -> None:
    """Docker's seccomp profile closes AF_VSOCK from 23.0 on (its release notes)."""
    if case.name == "a socket to the hypervisor" and int(api.version()["Version"].split(".")[0]) < 23:
        pytest.xfail("the engine's default seccomp profile lets AF_VSOCK through: use Docker 23 or newer, or gVisor")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_case_is_contained_and_ends_as_it_must(
    case: Case, repository: AttackedRepository, engine: SandboxEngine, image: str, around: Surroundings, api
) -> None:
    with around.unharmed():
        end = play(case, repository, engine, image)
    print(end.reason, end.detail, end.log[-1500:])
    if case.open:
        assert end.good, "this attack succeeds no longer: it is not open any more"
        pytest.xfail(case.open)
    if end.good and None not in case.ends:
        _keep_to_old_engines(case, api)
    assert end.reason in case.ends
    assert end.good == (end.reason is None)
    assert case.says in end.detail + end.log
    assert len(end.log) <= 4 * (64 << 10)
    assert not _CONTROLS.search(end.log + end.detail)
    assert all(len(test) < 2048 for report in end.reports for test in report.outcomes)
    if case.nasty:
        assert _honest(repository, engine, image).good


def test_the_next_honest_instance_is_not_harmed(
    repository: AttackedRepository, engine: SandboxEngine, image: str, around: Surroundings
) -> None:
    with around.unharmed():
        assert _honest(repository, engine, image).good


def test_the_search_for_the_gold_patch_finds_what_is_there(
    repository: AttackedRepository, engine: SandboxEngine, image: str
) -> None:
    (case,) = [case for case in CASES if case.name == "search for the gold patch"]
    instance, candidate = repository.attacked_by(case)
    told = repository.diff({"tests/test_calc.py": NEW_TESTS + "# the gold patch was here\n"})
    assert judged(replace(instance, test_patch=told), candidate, engine, image).good


def _tar_bomb() -> bytes:
    """Four gigabytes of zeros in four megabytes, written without ever holding them."""
    plain = tarfile.TarInfo("x-1/zeros")
    plain.size = 4 << 30
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed:
        packed.write(plain.tobuf())
        for _ in range(512):  # the rest is never asked for
            packed.write(bytes(1 << 20))
    return out.getvalue()


def _zip_bomb() -> bytes:
    """Members that share one deflated stream in spirit: many names, each hugely compressible."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"x-1/{number}", bytes(32 << 20))
    return out.getvalue()


def _lying_zip() -> bytes:
    """A bomb whose directory says that it holds ten bytes."""
    data = bytearray(_zip_bomb())
    size = (32 << 20).to_bytes(4, "little")
    return bytes(data.replace(size, (10).to_bytes(4, "little")))


@pytest.mark.parametrize(
    ("name", "make"),
    [("x-1.tar.gz", _tar_bomb), ("x-1.zip", _zip_bomb), ("x-1.zip", _lying_zip)],
    ids=["tar", "zip", "zip that lies about its size"],
)
def test_a_bomb_of_a_source_distribution_is_refused_in_little_memory(name: str, make, around: Surroundings) -> None:
    data = make()
    with around.unharmed():
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        with pytest.raises(UnreadableSdist):
            read_sdist(name, data)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 600 << 10, "KiB: the limit of what is unpacked, and a copy"
    assert time.monotonic() - started < 60
