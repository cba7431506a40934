"""The container files name only what is there, and agree with each other and with the broker's own settings."""

import json
import re
import shlex
from pathlib import Path

import pytest

from higgins.cli.app import app
from higgins.cli.ping import _parse
from higgins.config.addresses import Address, parse_address
from higgins.settings import Flags, Settings, load
from tests.conformance.services import VERSITYGW
from tests.laptop.recipes import ROOT, Stage, compose, dockerfile, stages

IMAGES = dockerfile()
COMPOSE = compose()
SERVICES = COMPOSE["services"]
NODES = [name for name, one in SERVICES.items() if one["build"]["target"] == "higgins"]
INSIDE_PORT = 29092


def environment_of(name: str) -> dict[str, str]:
    """What a container of a service starts with."""
    service = SERVICES[name]
    return {**IMAGES[service["build"]["target"]].environment(), **service.get("environment", {})}


def settings_of(environment: dict[str, str]) -> Settings:
    return load(Flags(), environment, None)


def test_the_reader_reads_what_these_files_use() -> None:
    found = stages("# a comment\nFROM a AS b\nRUN x \\\n # hidden\n && y\nCMD [\"z\"]\nFROM b AS c\nENV K=v L=w\n")
    assert found["b"].instructions == [("RUN", "x && y"), ("CMD", '["z"]')]
    assert found["b"].command("CMD") == ["z"] and found["c"].environment() == {"K": "v", "L": "w"}


def test_images_build_on_debian_and_on_each_other() -> None:
    for stage in IMAGES.values():
        assert re.search("bookworm", stage.base) or stage.base in IMAGES
    assert list(IMAGES)[-1] == "higgins", "the last image is what `docker build .` makes"
    for stage in IMAGES.values():
        for source in re.findall(r"--from=(\S+)", " ".join(stage.all("COPY"))):
            assert source in IMAGES


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = {
        source
        for stage in IMAGES.values()
        for rest in stage.all("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert sources == kept
    assert all((ROOT / source).exists() for source in sources)


def test_the_build_copies_all_that_the_wheel_is_made_of() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    found = re.search(r"^packages = (\[.*\])$", project, re.MULTILINE)
    assert found is not None
    packages = json.loads(found[1])
    copied = " ".join(IMAGES["build"].all("COPY")).split()
    assert {Path(one).parts[0] for one in packages} < set(copied)
    assert all(one in copied for one in re.findall(r'"(README\.md|LICENSE)"', project))


@pytest.mark.parametrize("image", ["higgins", "gateway"])
def test_images_do_not_run_as_root(image: str) -> None:
    stage = IMAGES[image]
    user = stage.last("USER")
    assert f"useradd --uid 10001 --gid {user}" in stage.last("RUN") and user != "root"
    assert all(f"--owner={user}" in one for one in re.findall("install --directory[^&]*", stage.last("RUN")))


def test_volumes_are_folders_that_their_user_owns() -> None:
    for stage in (IMAGES["higgins"], IMAGES["gateway"]):
        made = " ".join(re.findall("install --directory([^&]*)", stage.last("RUN"))).split()
        assert stage.last("VOLUME") in made


def test_the_broker_s_image_starts_a_broker_that_can_be_asked() -> None:
    stage = IMAGES["higgins"]
    (listener,) = settings_of(stage.environment()).server.listeners
    assert settings_of(stage.environment()).store.url == stage.last("VOLUME")
    assert (listener.host, str(listener.port)) == ("0.0.0.0", stage.last("EXPOSE"))
    assert (listener.advertised_host, listener.advertised_port) == ("localhost", listener.port)
    assert stage.command("ENTRYPOINT") == ["higgins"]
    app.parse_args(stage.command("CMD"), exit_on_error=False, print_error=False)
    assert health_check_of(stage) == ["higgins", "ping"]
    (asked,), timeout_s = _parse([])
    assert asked.port == listener.port and timeout_s < 6


def health_check_of(stage: Stage) -> list[str]:
    options, command = stage.last("HEALTHCHECK").split("CMD ")
    assert "--timeout=6s" in options
    found: list[str] = json.loads(command)
    return found


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_reached_from_outside_and_by_its_name(name: str) -> None:
    outside, inside = settings_of(environment_of(name)).server.listeners
    (published,) = SERVICES[name]["ports"]
    address, host_port, port = published.rsplit(":", 2)
    assert (address, outside.host) == ("127.0.0.1", "0.0.0.0")
    assert (int(port), "localhost", int(host_port)) == (outside.port, outside.advertised_host, outside.advertised_port)
    assert (inside.port, inside.advertised_host, inside.advertised_port) == (INSIDE_PORT, name, INSIDE_PORT)


@pytest.mark.parametrize("name", NODES)
def test_a_node_s_health_check_asks_the_node(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGGINS_BOOTSTRAP", environment_of(name).get("HIGGINS_BOOTSTRAP", ""))
    (asked,), _ = _parse([])
    listeners = settings_of(environment_of(name)).server.listeners
    assert asked.host in {"localhost", "127.0.0.1"} and asked.port in {one.port for one in listeners}


def test_images_are_built_and_never_looked_for_elsewhere() -> None:
    # With a name beside the recipe, whoever owns that name in a registry would be asked first.
    for service in SERVICES.values():
        assert "image" not in service and (ROOT / service["build"]["context"] / "Dockerfile").exists()
        assert service["build"]["target"] in IMAGES


def test_no_two_nodes_want_the_same_port() -> None:
    ports = [SERVICES[name]["ports"][0] for name in NODES]
    assert len(set(ports)) == len(ports)
    assert ports[0] == "127.0.0.1:9092:9092"


def test_a_broker_is_given_time_to_end() -> None:
    for name in NODES:
        grace_s = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
        assert grace_s * 1000 > settings_of(environment_of(name)).server.drain_ms
        assert "ulimits" not in SERVICES[name], "an engine that is not root cannot raise them"


def test_profiles_start_what_they_say() -> None:
    def started(profile: str) -> set[str]:
        return {name for name, one in SERVICES.items() if profile in one.get("profiles", [])}

    assert [name for name, one in SERVICES.items() if "profiles" not in one] == ["higgins"]
    assert started("s3") == {"higgins-s3", "gateway"} and started("two") == {"one", "two", "gateway"}
    for name in NODES:
        for other in SERVICES[name].get("depends_on", {}):
            assert set(SERVICES[name]["profiles"]) <= set(SERVICES[other]["profiles"])


def test_data_is_on_volumes() -> None:
    mounted = {
        volume.split(":")[0]: (name, volume.split(":")[1])
        for name, one in SERVICES.items()
        for volume in one.get("volumes", [])
    }
    assert mounted.keys() == COMPOSE["volumes"].keys()
    for name, folder in mounted.values():
        assert folder == IMAGES[SERVICES[name]["build"]["target"]].last("VOLUME")
    assert settings_of(environment_of("higgins")).store.url == mounted["data"][1]


def test_nodes_know_the_gateway_and_its_bucket() -> None:
    gateway = environment_of("gateway")
    port = parse_address(f"gateway{gateway['VGW_PORT']}").port
    assert str(port) == IMAGES["gateway"].last("EXPOSE")
    assert SERVICES["gateway"]["healthcheck"]["test"][-1].endswith(f"/{port}")
    stores = {}
    for name in ("higgins-s3", "one", "two"):
        store = stores[name] = settings_of(environment_of(name)).store
        assert store.endpoint == f"http://{Address('gateway', port)}"
        assert store.url.startswith(f"s3://{gateway['BUCKET']}/")
        assert (store.access_key_id, store.secret_access_key, store.region) == (
            gateway["ROOT_ACCESS_KEY"], gateway["ROOT_SECRET_KEY"], gateway["VGW_REGION"]
        )  # fmt: skip
    assert stores["one"] == stores["two"] != stores["higgins-s3"]


def test_the_gateway_makes_its_bucket_and_is_the_one_that_is_tested() -> None:
    assert IMAGES["gateway-build"].last("RUN").endswith(VERSITYGW)
    shell, flag, script = IMAGES["gateway"].command("CMD")
    folder = IMAGES["gateway"].last("VOLUME")
    assert (shell, flag) == ("/bin/sh", "-c")
    made, run = script.split(" && ")
    assert shlex.split(made) == ["mkdir", "-p", f"{folder}/objects/$BUCKET", f"{folder}/sidecar"]
    assert shlex.split(run)[-3:] == ["--sidecar", f"{folder}/sidecar", f"{folder}/objects"]


@pytest.mark.parametrize("page", ["README.md", "docs/containers.md", "docker-compose.yml"])
def test_the_documentation_starts_services_that_exist(page: str) -> None:
    commands = re.findall(r"docker compose(?: --profile (\S+))? up((?: [a-z0-9-]+)*)", (ROOT / page).read_text())
    assert {profile for profile, _ in commands} == {"", "s3", "two"}
    for _, names in commands:
        assert set(names.replace(" -d", "").split()) <= set(SERVICES)
