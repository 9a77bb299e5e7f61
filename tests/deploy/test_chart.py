"""The values, schema and roles of the Helm chart. These tests need neither Helm nor a cluster."""

import re
import tomllib
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from jsonschema import Draft7Validator
from typer.main import get_command

from agents.commands.command_line import app
from agents.loop.worker_process import END_SECONDS, GRACE_SECONDS
from deploy.chart import CHART, COMMAND, READ, SCHEMA, SET_BY_THE_CHART, values_schema, written
from pipeline.contract.topology import STAGES
from pipeline.settings import Settings, keys
from tests.deploy.chart import EXAMPLES, SMALL, TEMPLATES, merged, roles, values
from tests.deploy.files import DASHBOARDS, ROOT, RULES, load, parsed
from tests.deploy.test_compose import is_setting

VALIDATOR = Draft7Validator(values_schema())


def mistakes(given: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(given)]


@pytest.mark.parametrize("path", [SCHEMA, READ], ids=lambda path: path.name)
def test_the_generated_files_are_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == written()[path], f"The settings or stages have changed: run {COMMAND}"


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(values_schema())


@pytest.mark.parametrize("path", [None, *EXAMPLES], ids=str)
def test_the_values_fit_the_schema(path: Path | None) -> None:
    assert mistakes(values(*[path] if path else [])) == []


def test_the_values_of_the_guide_fit_the_schema() -> None:
    guide = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    shown = re.findall(r"^ *```yaml\n(.*?)^ *```", guide, re.MULTILINE | re.DOTALL)
    assert len(shown) >= 4
    for block in shown:
        assert mistakes(merged(values(), parsed(dedent(block)))) == []


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("settings: {kafka: {bootstrp: x}}", "$.settings.kafka"),
        ("settings: {asr: {workers: 0}}", "$.settings.asr.workers"),
        ("settings: {asr: {model: 3}}", "$.settings.asr.model"),
        ("settings: {kafka: {dead_letter_share: 2}}", "$.settings.kafka.dead_letter_share"),
        ("settings: {overload: {room_types: [{shre: 1}]}}", "$.settings.overload.room_types[0]"),
        ("roles: {transcrbe: {replicas: 2}}", "$.roles"),
        ("roles: {console: {enabled: false}}", "$.roles.console"),
        ("roles: {segment: {ingress: {host: a, tlsSecret: b}}}", "$.roles.segment"),
        ("roles: {gateway: {ingress: {host: a}}}", "$.roles.gateway.ingress"),
        ("roles: {judge: {replicas: 0}}", "$.roles.judge.replicas"),
        ("roles: {judge: {autoscaling: {lag: 5, min: 0, max: 2}}}", "$.roles.judge.autoscaling.min"),
        ("keda: {cooldownSeconds: 60}", "$.keda.cooldownSeconds"),
        ("keda: {stableSeconds: 60}", "$.keda.stableSeconds"),
        ("image: {digest: latest}", "$.image.digest"),
    ],
)
def test_a_mistake_is_refused(given: str, place: str) -> None:
    found = mistakes(merged(values(SMALL), parsed(given)))
    assert [each for each in found if each.startswith(f"{place}: ")], found


@pytest.mark.parametrize(
    "key",
    [
        "store.url",
        "gateway.tokens",
        "api.tokens",
        "console.api_tokens",
        "console.oidc.client_secret",
        "webhooks.secret",
        "livekit.api_secret",
        "kafka.security.password",
        "evidence.s3.secret_key",
        "evidence.encryption.keys",
    ],
)
def test_a_secret_cannot_be_a_value(key: str) -> None:
    """Values are stored in plain text in the release."""
    assert is_setting(f"VOXWARDEN_{key.upper().replace('.', '__')}") or key.startswith("console.oidc.")
    given: Any = "a secret"
    for name in reversed(["settings", *key.split(".")]):
        given = {name: given}
    assert mistakes(merged(values(SMALL), given))


@pytest.mark.parametrize("key", ["kafka.instance", "gateway.host", "metrics.port", "data_dir", "livekit.name"])
def test_what_the_chart_sets_itself_cannot_be_a_value(key: str) -> None:
    assert key in keys()
    given: Any = "pod"
    for name in reversed(["settings", *key.split(".")]):
        given = {name: given}
    assert mistakes(merged(values(SMALL), given))


def test_the_schema_describes_each_other_setting() -> None:
    """The defaults fit, but for lists of secrets and for what the chart sets."""
    plain = Settings().model_dump(mode="json", exclude_none=True)
    errors = list(VALIDATOR.iter_errors(values(SMALL) | {"settings": plain}))
    assert {error.validator for error in errors} == {"additionalProperties"}
    left_out = {name for error in errors for name in error.instance.keys() - error.schema["properties"].keys()}
    set_by_the_chart = set().union(*SET_BY_THE_CHART.values())
    assert {name for name in left_out if not re.search("tokens$|^keys$", name)} <= set_by_the_chart


def test_the_roles_are_those_of_the_command_line() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    workers = {name for name, role in roles().items() if "topics" in role}
    assert workers == {stage.name for stage in STAGES}
    for name, role in roles().items():
        assert role["command"] == (["worker", name] if name in workers else [name])
        assert role["command"][0] in known
    assert load(CHART / "values.yaml")["roles"].keys() <= roles().keys()


def test_each_port_is_the_default_of_its_role() -> None:
    settings = Settings()
    assert {name: role["port"] for name, role in roles().items() if "port" in role} == {
        "gateway": settings.gateway.port,
        "console": settings.console.port,
        "api": settings.api.port,
        "livekit": 7999,  # no default: without a port, it takes no webhooks
    }
    pod = (CHART / "templates" / "_pod.tpl").read_text("utf-8")
    assert f"containerPort: {settings.metrics.port}" in pod


def test_every_variable_is_a_setting() -> None:
    """A typing error is ignored silently."""
    text = "".join(path.read_text("utf-8") for path in [*TEMPLATES, CHART / "values.yaml"])
    for name in ("gateway", "console", "api"):
        text += text.replace("{{ upper $name }}", name.upper())
    used = set(re.findall(r"\bVOXWARDEN_[A-Z_0-9]*[A-Z0-9]\b", text)) - {
        "VOXWARDEN_CONFIG",
        "VOXWARDEN_KAFKA__SECURITY",
    }
    assert used >= {"VOXWARDEN_KAFKA__INSTANCE", "VOXWARDEN_API__HOST", "VOXWARDEN_LIVEKIT__MEMBERS"}
    assert [variable for variable in sorted(used) if not is_setting(variable)] == []


def test_a_stop_waits_for_the_slowest_batch() -> None:
    assert load(CHART / "values.yaml")["defaults"]["graceSeconds"] > GRACE_SECONDS + END_SECONDS - 1


def test_rules_and_dashboards_are_those_of_the_compose_stack() -> None:
    """They are links, so they cannot differ. Helm puts the files into the chart's archive."""
    assert (CHART / "rules.yml").resolve() == RULES
    assert (CHART / "dashboards").resolve() == DASHBOARDS
    assert not (CHART / "rules.yml").readlink().is_absolute()


def test_the_version_is_that_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    chart = load(CHART / "Chart.yaml")
    assert chart["appVersion"] == version
    assert chart["version"] == version
