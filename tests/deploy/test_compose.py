"""The compose stack, as far as a machine without a container engine can check it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from pydantic import BaseModel

from agents.loop.faust_app import REBALANCE_SECONDS
from deploy.stages import OPTIONAL
from pipeline.base.user_files import PREFIX
from pipeline.contract.topology import STAGES
from pipeline.settings import Settings
from tests.deploy.files import DEPLOY, ROOT, load
from tests.deploy.stack import PATH, SECRETS, VARIABLE, ours, services, stack

EXAMPLE = DEPLOY / ".env.example"


def is_setting(variable: str) -> bool:
    """Whether Settings has the setting of a variable, as `asr.model` of `VOXWARDEN_ASR__MODEL`.

    A typing error is ignored silently.
    """
    at: Any = Settings
    for name in variable.removeprefix(PREFIX).lower().split("__"):
        if not (isinstance(at, type) and issubclass(at, BaseModel)) or name not in at.model_fields:
            return False
        at = at.model_fields[name].annotation
    return True


def test_the_stack_follows_the_compose_specification() -> None:
    # This parser takes a tag or a digest; Docker and Podman take both, and hold to the digest.
    digests = re.sub(r"(image: \S+):[\w.-]+@", r"\1@", yaml.safe_dump(stack()))
    compose = PyCompose.from_yaml(digests)
    assert set(compose.service_names()) == services().keys()


def test_every_role_has_a_service() -> None:
    commands = {" ".join(service["command"]) for service in ours().values()}
    assert commands == {
        "topics create",
        "gateway",
        "console",
        *OPTIONAL,
        *(f"worker {stage.name}" for stage in STAGES),
    }


@pytest.mark.parametrize("name", ours())
def test_every_variable_is_a_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ours()[name]["environment"]
    assert [variable for variable in given if not is_setting(variable)] == []
    for variable, value in given.items():
        monkeypatch.setenv(variable, str(value))
    Settings()


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_has_no_default(variable: str) -> None:
    """Without the secret the stack does not start, and names the variable."""
    with pytest.raises(KeyError, match=f"Set {variable} in deploy/.env"):
        stack({name: value for name, value in SECRETS.items() if name != variable})


def test_the_example_names_every_variable() -> None:
    used = {found["name"] for found in VARIABLE.finditer(PATH.read_text("utf-8"))}
    assert used == set(re.findall(r"^#?(\w+)=", EXAMPLE.read_text("utf-8"), re.MULTILINE))
    assert {name for name in SECRETS if f"\n{name}=\n" not in EXAMPLE.read_text("utf-8")} == set()


@pytest.mark.parametrize("name", services())
def test_every_service_has_limits(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") or name == "kafka"
    assert name == "topics" or service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", services())
def test_every_image_is_pinned(name: str) -> None:
    image = services()[name]["image"]
    assert name in ours() or re.fullmatch(r"docker\.io/[\w/]+:v?\d+\.\d+(\.\d+)?(-\w+)?@sha256:[0-9a-f]{64}", image)


@pytest.mark.parametrize("name", services())
def test_every_service_has_a_health_check(name: str) -> None:
    """Our own services have it in the image, see Containerfile."""
    service = services()[name]
    assert name in ours() or service["healthcheck"]["test"][0] == "CMD"


def test_a_stop_waits_for_the_slowest_batch() -> None:
    for service in ours().values():
        if service["command"][0] == "worker":
            assert int(service["stop_grace_period"].removesuffix("s")) > REBALANCE_SECONDS


def test_workers_have_no_outgoing_network() -> None:
    assert stack()["networks"]["back"] == {"internal": True}
    assert {name for name, service in ours().items() if "front" in service["networks"]} == {
        "gateway",
        "console",
        "read",  # the API of the second reader may be outside
        *OPTIONAL,
    }


def test_the_console_uses_the_store_of_deliver() -> None:
    """The console runs the retention job, so it needs the same store and the same clips."""
    console, deliver = services()["console"], services()["deliver"]
    assert console["environment"]["VOXWARDEN_STORE__URL"] == deliver["environment"]["VOXWARDEN_STORE__URL"]
    assert console["volumes"] == deliver["volumes"]
    assert console["ports"] == [f"127.0.0.1:{Settings().console.port}:{Settings().console.port}"]
    assert f":{Settings().console.port}/healthz" in console["healthcheck"]["test"][-1]


def test_the_api_listens_on_its_port() -> None:
    assert services()["api"]["ports"] == [f"127.0.0.1:{Settings().api.port}:{Settings().api.port}"]


def test_every_mounted_file_exists() -> None:
    mounts = [Path(volume.split(":")[0]) for s in services().values() for volume in s.get("volumes", [])]
    files = [DEPLOY / mount for mount in mounts if mount.parts[0] in {"prometheus", "grafana"} and len(mount.parts) > 1]
    assert files
    assert [file for file in files if not file.exists()] == []


def test_the_kafka_image_is_the_tested_version() -> None:
    version = re.search(r"kafka_[\d.]+</artifactId>\s*<version>([\d.]+)<", (ROOT / "tests/stream/pom.xml").read_text())
    assert version
    assert services()["kafka"]["image"].split("@")[0].endswith(f":{version[1]}")


def test_prometheus_finds_every_role() -> None:
    [job] = [
        job for job in load(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"] if job["job_name"] == "voxwarden"
    ]
    [discovery] = job["dns_sd_configs"]
    assert set(discovery["names"]) == ours().keys() - {"topics"}
    assert discovery["port"] == Settings().metrics.port
