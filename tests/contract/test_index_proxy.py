"""The build network on the real engine: what a container in it can reach, and what becomes of a proxy that dies."""

import io
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.build_network import BuildNetwork, BuildReach
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.index_container import ROLE, ROLE_LABEL
from swemill.adapters.docker.policy import EFFECT_LABEL, LABEL, OWNER_LABEL
from swemill.settings import Settings
from tests.unit.index_proxy_upstream import Upstream, upstream

pytestmark = pytest.mark.docker

SETTINGS = Settings.load()
SCOPE = f"test-{os.getpid()}"
WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def base_images(api) -> BaseImages:
    return BaseImages(api, config=BaseImageConfig.of(SETTINGS))


@pytest.fixture(scope="module")
def public(api, base_images: BaseImages) -> Iterator[BuildReach]:
    """A network before the index that this machine is configured for."""
    network = BuildNetwork(api, settings=SETTINGS, base_images=base_images, scope=SCOPE)
    try:
        yield network.ensure()
    finally:
        network.remove(cache=True)


@pytest.fixture(scope="module")
def bridge(api) -> str:
    """The host's address in the engine's default network: its first, where the engine does not name it (20.10, started
    for the first time)."""
    config = api.inspect_network("bridge")["IPAM"]["Config"][0]
    return config.get("Gateway") or str(ip_network(config["Subnet"])[1])


@pytest.fixture(scope="module")
def index(bridge: str) -> Iterator[Upstream]:
    """An index of this test alone, which a container of the default network reaches."""
    with upstream(bridge) as served:
        served.add(WHEEL, wheel(), uploaded="2020-01-01T00:00:00Z")
        served.add("demo-2.0-py3-none-any.whl", b"later", uploaded="2021-01-01T00:00:00Z")
        yield served


@pytest.fixture(scope="module")
def local(api, public: BuildReach, base_images: BaseImages, index: Upstream) -> Iterator[BuildNetwork]:
    """A network before that index. The image was made for ``public``: the index lacks what it is made of."""
    settings = replace(SETTINGS, index_url=index.url)
    network = BuildNetwork(api, settings=settings, base_images=base_images, scope=SCOPE)
    try:
        yield network
    finally:
        network.remove(cache=True)


def wheel() -> bytes:
    buffer = io.BytesIO()
    files = {
        "demo.py": "VALUE = 1\n",
        "demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
    }
    files["demo-1.0.dist-info/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},,\n" for name in (*files, "demo-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in {**files, "demo-1.0.dist-info/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def inside(api, base_images: BaseImages, reach: BuildReach, command: str) -> tuple[int, str]:
    """Exit code and output of a command in a container that is on the network as a build is."""
    names = {"UV_DEFAULT_INDEX": reach.index_url, "PIP_INDEX_URL": reach.index_url, "PIP_TRUSTED_HOST": reach.host}
    host_config = api.create_host_config(
        network_mode=reach.network, dns=["192.0.2.1"], cap_drop=["ALL"], security_opt=["no-new-privileges:true"]
    )
    container = api.create_container(
        base_images.get().reference,
        ["bash", "-c", command],
        user="1000:1000",
        environment={**names, "HOME": "/tmp"},
        host_config=host_config,
        labels={LABEL: "1"},
    )["Id"]
    try:
        api.start(container)
        code = api.wait(container, timeout=120)["StatusCode"]
        return code, api.logs(container).decode(errors="replace")
    finally:
        api.remove_container(container, force=True)


UV = "uv venv -q /tmp/v && VIRTUAL_ENV=/tmp/v uv pip install --exclude-newer 2020-06-01 {} && /tmp/v/bin/python -c {!r}"


def test_uv_installs_as_of_a_date(api, base_images: BaseImages, public: BuildReach) -> None:
    code, output = inside(api, base_images, public, UV.format("six", "import six"))
    assert code == 0, output
    assert "six==1.15.0" in output


def test_pip_installs_as_of_a_date(api, base_images: BaseImages, public: BuildReach) -> None:
    index_url = public.index_url.replace("/simple/", "/as-of/2020-01-01T00:00:00Z/simple/")
    command = f"python3 -m pip install --target /tmp/t --index-url {index_url} six"
    code, output = inside(api, base_images, public, command)
    assert code == 0, output
    assert "Successfully installed six-1.13.0" in output


def test_a_second_install_asks_the_index_for_nothing(api, base_images: BaseImages, local, index: Upstream) -> None:
    reach = local.ensure()
    for _ in range(2):
        code, output = inside(api, base_images, reach, UV.format("demo", "import demo"))
        assert code == 0, output
        assert "demo==1.0" in output
    assert index.asked(WHEEL) == 1
    assert index.asked("/simple/demo/") == 1


REACH = """
import socket, sys
for address in sys.argv[1:]:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        print("reached", address)
    except OSError as error:
        print("lost", address, error)
"""


def test_nothing_else_is_reachable(api, base_images: BaseImages, local, index: Upstream, bridge: str) -> None:
    reach = local.ensure()
    port = index.url.split(":")[2].split("/")[0]
    network = api.inspect_network(reach.network)["IPAM"]["Config"][0]["Gateway"]
    with socket.create_server(("0.0.0.0", 0)) as listening:
        everywhere = listening.getsockname()[1]
        forbidden = [f"{bridge}:{port}", f"{bridge}:{everywhere}", f"{network}:{everywhere}", "1.1.1.1:443"]
        forbidden += [f"{own}:{everywhere}" for own in own_addresses()]
        forbidden += ["example.com:80", "169.254.169.254:80"]
        allowed = f"{reach.host}:8000"
        code, output = inside(
            api, base_images, reach, f"timeout 100 python3 -c '{REACH}' {allowed} {' '.join(forbidden)}"
        )
    assert code == 0, output
    assert [line for line in output.splitlines() if line.startswith("reached")] == [f"reached {allowed}"], output
    assert output.count("lost ") == len(forbidden)


def own_addresses() -> set[str]:
    """Addresses of this machine beside loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("1.1.1.1", 53))  # sends nothing
        return {probe.getsockname()[0]}


@pytest.mark.parametrize("what", ["kill", "stop", "pause", "remove_container"])
def test_a_lost_proxy_is_replaced_and_knows_what_it_knew(
    api, base_images: BaseImages, local: BuildNetwork, index: Upstream, what: str
) -> None:
    reach = local.ensure()
    before = api.inspect_container(reach.host)["Id"]
    assert local.ensure() == reach
    assert api.inspect_container(reach.host)["Id"] == before, "one that answers is left alone"
    getattr(api, what)(reach.host, **({"force": True} if what == "remove_container" else {}))
    assert local.ensure() == reach
    after = api.inspect_container(reach.host)
    assert after["State"]["Running"]
    assert after["Id"] != before
    asked = index.asked(WHEEL)
    code, output = inside(api, base_images, reach, UV.format("demo", "import demo"))
    assert code == 0, output
    assert index.asked(WHEEL) == max(1, asked)


def test_a_proxy_of_another_configuration_is_replaced(api, base_images: BaseImages, local, index: Upstream) -> None:
    reach = local.ensure()
    before = api.inspect_container(reach.host)["Id"]
    settings = replace(SETTINGS, index_url=index.url)
    other = BuildNetwork(api, settings=settings, base_images=base_images, cache_bytes=1 << 30, scope=SCOPE)
    assert other.ensure() == reach
    assert api.inspect_container(reach.host)["Id"] != before


def test_callers_on_several_machines_get_one_network_and_one_proxy(
    api, base_images: BaseImages, index: Upstream, public: BuildReach, tmp_path: Path
) -> None:
    networks = [
        BuildNetwork(
            connect(SETTINGS.docker_host),
            settings=replace(SETTINGS, index_url=index.url, home=tmp_path / str(number)),
            base_images=base_images,
            scope=f"{SCOPE}-many",
        )
        for number in range(4)
    ]
    reached: list[BuildReach] = []
    try:
        callers = [threading.Thread(target=lambda one=one: reached.append(one.ensure())) for one in networks]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(reached) == 4
        assert len(set(reached)) == 1
        assert len(api.networks(names=[reached[0].network])) == 1
        assert networks[0].ensure() == reached[0]
        code, output = inside(api, base_images, reached[0], UV.format("demo", "import demo"))
        assert code == 0, output
    finally:
        networks[0].remove(cache=True)
    assert not api.networks(names=[reached[0].network])
    assert not api.containers(all=True, filters={"name": reached[0].host})


def test_the_proxy_has_no_more_than_it_needs_and_outlives_reapers(api, public: BuildReach) -> None:
    found = api.inspect_container(public.host)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"]
    assert host["Memory"] == host["MemorySwap"] == 1 << 30
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert not host["PortBindings"], "nothing of it is published on the host"
    assert found["Config"]["User"] == "10001:10001"
    labels = found["Config"]["Labels"]
    assert (labels[LABEL], labels[ROLE_LABEL]) == ("1", ROLE)
    assert not {EFFECT_LABEL, OWNER_LABEL} & set(labels), "what reapers look for"
    assert set(found["NetworkSettings"]["Networks"]) == {"bridge", public.network}
