"""The manifests of the Helm chart. These tests need Helm, and no cluster."""

from pathlib import Path
from typing import Any

import pytest

from agents.broker.kafka_clients import topic_name
from agents.loop.faust_app import group_of
from deploy.chart import CHART
from pipeline.contract.topology import STAGES
from pipeline.judge.judge_stage import read_config
from pipeline.settings import Settings
from pipeline.settings.loading import load as load_settings
from tests.deploy.chart import (
    EXAMPLES,
    LARGE,
    SMALL,
    Manifest,
    enabled,
    helm,
    of_kind,
    options,
    pods,
    rendered,
    roles,
    values,
)
from tests.deploy.files import RULES, load, parsed

NEEDED = tuple(stage for stage in STAGES if not stage.switch)
"""The stages that every deployment has."""
EVERY = enabled(LARGE)
ALL = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
SECRETS = {
    "VOXWARDEN_STORE__URL": "postgresql://voxwarden@db/voxwarden",
    "VOXWARDEN_GATEWAY__TOKENS": '["0123456789abcdef"]',
    "VOXWARDEN_API__TOKENS": '[{"token": "0123456789abcdef", "scopes": ["moderate"]}]',
    "VOXWARDEN_LIVEKIT__API_SECRET": "a secret of 32 bytes or even more",
}


@ALL
def test_helm_finds_no_fault(path: Path) -> None:
    done = helm("lint", "--strict", str(CHART), *options([path]))
    assert done.returncode == 0, done.stdout + done.stderr


@ALL
def test_each_role_runs(path: Path) -> None:
    made = rendered([path])
    wanted = enabled(path)
    workloads = of_kind(made, "Deployment") | of_kind(made, "StatefulSet")
    assert workloads.keys() == {f"voxwarden-{name}" for name in wanted}
    for name in wanted:
        [container] = pods(made)[f"voxwarden-{name}"]["spec"]["containers"]
        assert container["args"] == roles()[name]["command"]
    for kind in ("Service", "PodDisruptionBudget"):
        assert of_kind(made, kind).keys() == workloads.keys()


@ALL
def test_no_container_can_do_harm(path: Path) -> None:
    for name, pod in pods(rendered([path])).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] >= 10_000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"].keys() == {"requests", "limits"}
            written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert written == {"/tmp", "/data"}  # noqa: S108 - in the container
            known = {volume["name"] for volume in spec["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} == known


@ALL
def test_the_probes_are_those_of_the_process(path: Path) -> None:
    made = rendered([path])
    for name in of_kind(made, "Deployment") | of_kind(made, "StatefulSet"):
        [container] = pods(made)[name]["spec"]["containers"]
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
        assert {"name": "metrics", "containerPort": Settings().metrics.port} in container["ports"]


@ALL
def test_each_role_starts_with_its_settings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Voxwarden itself reads the files and variables of each pod."""
    made = rendered([path])
    for file, text in of_kind(made, "ConfigMap")["voxwarden"]["data"].items():
        (tmp_path / file).write_text(text.replace("/etc/voxwarden/", f"{tmp_path}/"), "utf-8")
    for name in roles():
        if f"voxwarden-{name}" not in pods(made):
            continue
        [container] = pods(made)[f"voxwarden-{name}"]["spec"]["containers"]
        with monkeypatch.context() as patch:
            for variable, value in (SECRETS | variables(container, f"voxwarden-{name}-1")).items():
                patch.setenv(variable, value.replace("/etc/voxwarden/", f"{tmp_path}/"))
            settings = load_settings()
            read_config(settings.judge)
            assert settings.kafka.bootstrap == values(path)["settings"]["kafka"]["bootstrap"]
            assert settings.kafka.instance is None
            if name == "livekit":
                assert settings.livekit.members == ("voxwarden-livekit-0", "voxwarden-livekit-1")
                assert settings.livekit.gateway_url == "ws://voxwarden-gateway:8765"


def variables(container: Manifest, pod: str) -> dict[str, str]:
    """The variables of a container as Kubernetes sets them in the pod."""
    return {each["name"]: each["value"].replace("$(POD)", pod) for each in container["env"] if "value" in each}


@ALL
def test_each_role_gets_only_its_secrets(path: Path) -> None:
    made, own = rendered([path]), values(path)
    for name, role in roles().items():
        if pod := pods(made).get(f"voxwarden-{name}"):
            [container] = pod["spec"]["containers"]
            given = [each["secretRef"]["name"] for each in container.get("envFrom", [])]
            kafka = [own["broker"]["secret"]] if role.get("kafka") and own["broker"]["secret"] else []
            database = [own["database"]["secret"]] if role.get("database") else []
            assert given == [*kafka, *database, *own["roles"].get(name, {}).get("secrets", [])]


def test_workers_are_scaled_by_their_own_lag() -> None:
    made = rendered([LARGE])
    settings = Settings.model_validate({"kafka": values(LARGE)["settings"]["kafka"] | {"security": {}}})
    scaled = of_kind(made, "ScaledObject")
    assert scaled.keys() == {f"voxwarden-{name}" for name in ("segment", "listen", "transcribe", "judge")}
    for stage in NEEDED:
        workload = of_kind(made, "Deployment")[f"voxwarden-{stage.name}"]
        if f"voxwarden-{stage.name}" not in scaled:
            assert workload["spec"]["replicas"] >= 1
            continue
        assert "replicas" not in workload["spec"], "an upgrade would undo what KEDA did"
        spec = scaled[f"voxwarden-{stage.name}"]["spec"]
        assert spec["scaleTargetRef"] == {"kind": "Deployment", "name": f"voxwarden-{stage.name}"}
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= settings.kafka.partitions
        assert [each["metadata"]["topic"] for each in spec["triggers"]] == [
            topic_name(topic, settings.kafka) for topic in stage.takes
        ]
        for trigger in spec["triggers"]:
            assert trigger["metadata"]["consumerGroup"] == group_of(settings, stage)
            assert trigger["metadata"]["sasl"] == "scram_sha512"
            assert trigger["authenticationRef"] == {"name": "voxwarden"}


def test_without_keda_the_numbers_are_fixed() -> None:
    made = rendered([LARGE], **{"keda.enabled": "false"})
    assert not of_kind(made, "ScaledObject") | of_kind(made, "TriggerAuthentication")
    workloads = of_kind(made, "Deployment") | of_kind(made, "StatefulSet")
    assert all(each["spec"]["replicas"] >= 1 for each in workloads.values())


def test_a_worker_can_keep_its_name() -> None:
    made = rendered([LARGE], **{"broker.staticMembership": "true"})
    for stage in NEEDED:
        name = f"voxwarden-{stage.name}"
        workload = of_kind(made, "StatefulSet")[name]["spec"]
        assert workload["serviceName"] in of_kind(made, "Service")
        [container] = workload["template"]["spec"]["containers"]
        assert variables(container, f"{name}-0")["VOXWARDEN_KAFKA__INSTANCE"] == f"{name}-0"
        if scaled := of_kind(made, "ScaledObject").get(name):
            assert scaled["spec"]["scaleTargetRef"] == {"kind": "StatefulSet", "name": name}


def test_keda_gets_the_secrets_of_kafka() -> None:
    [authentication] = of_kind(rendered([LARGE]), "TriggerAuthentication").values()
    references = {each["parameter"]: (each["name"], each["key"]) for each in authentication["spec"]["secretTargetRef"]}
    assert references == {
        "username": ("voxwarden-kafka", "VOXWARDEN_KAFKA__SECURITY__USERNAME"),
        "password": ("voxwarden-kafka", "VOXWARDEN_KAFKA__SECURITY__PASSWORD"),
        "ca": ("voxwarden-kafka-files", "ca.crt"),
    }


def test_the_rules_are_those_of_the_compose_stack() -> None:
    [rule] = of_kind(rendered([LARGE], **{"monitoring.runbooks": "https://docs/runbooks"}), "PrometheusRule").values()
    text = RULES.read_text("utf-8").replace("{{ $externalLabels.runbooks }}", "https://docs/runbooks")
    assert rule["spec"] == parsed(text)
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_metrics_have_the_labels_that_the_rules_want() -> None:
    """job="voxwarden", and the role."""
    made = rendered([LARGE])
    [monitor] = of_kind(made, "ServiceMonitor").values()
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"
    [endpoint] = monitor["spec"]["endpoints"]
    [relabeling] = endpoint["relabelings"]
    assert relabeling["targetLabel"] == "role"
    selector = monitor["spec"]["selector"]["matchLabels"]
    found = set()
    for service in of_kind(made, "Service").values():
        labels = service["metadata"]["labels"]
        assert selector.items() <= labels.items()
        assert labels["app.kubernetes.io/name"] == "voxwarden"
        assert any(port["name"] == endpoint["port"] for port in service["spec"]["ports"])
        found.add(labels["app.kubernetes.io/component"])
    assert found == enabled(LARGE)


def allowed(policy: Manifest, direction: str) -> set[Any]:
    return {port["port"] for rule in policy["spec"].get(direction, []) for port in rule.get("ports", [])}


@ALL
def test_a_pod_reaches_only_what_its_role_needs(path: Path) -> None:
    made, own = rendered([path]), values(path)
    policies = of_kind(made, "NetworkPolicy")
    everything = policies["voxwarden"]["spec"]
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    for pod in pods(made).values():
        assert everything["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    [kafka], [database] = own["network"]["kafka"]["ports"], own["network"]["database"]["ports"]
    for name, role in roles().items():
        if policy := policies.get(f"voxwarden-{name}"):
            expected = {kafka for _ in "k" if role.get("kafka")} | {database for _ in "d" if role.get("database")}
            assert allowed(policy, "egress") - {443, "gateway"} == expected
            assert allowed(policy, "ingress") == ({name} if "port" in role else set())
    assert 443 not in allowed(policies["voxwarden-transcribe"], "egress")


def test_without_policies_there_are_none() -> None:
    assert not of_kind(rendered([SMALL], **{"network.enabled": "false"}), "NetworkPolicy")


def test_a_budget_lets_a_drain_go_on() -> None:
    for budget in of_kind(rendered([LARGE]), "PodDisruptionBudget").values():
        assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize(
    ("changed", "restarted"),
    [
        # The policy of LARGE is a file that only settings.judge names.
        (r"files.policy\.yaml=name: ours", {"judge", "deliver", "console", "api", "livekit", "listen"}),
        ("settings.asr.batch=4", {"transcribe", "console", "api"}),
        ("settings.gateway.burst_seconds=9", {"gateway", "console", "livekit"}),
        (r"files.notices\.yaml=none", EVERY),
        ("settings.kafka.prefix=other.", EVERY - {"livekit"}),
    ],
    ids=["policy", "speech", "gateway", "file without a known reader", "kafka"],
)
def test_only_pods_that_read_a_changed_setting_restart(changed: str, restarted: set[str]) -> None:
    key, _, value = changed.partition("=")
    before, after = (pods(rendered([LARGE], **sets)) for sets in ({}, {key: value}))
    differ = {name for name in EVERY if before[f"voxwarden-{name}"] != after[f"voxwarden-{name}"]}
    assert differ == restarted


def test_the_clips_survive_an_uninstallation() -> None:
    [claim] = of_kind(rendered([SMALL]), "PersistentVolumeClaim").values()
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not of_kind(rendered([LARGE]), "PersistentVolumeClaim")


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"settings.kafka.bootstrap": ""}, "settings.kafka.bootstrap is empty"),
        ({"database.secret": ""}, "database.secret is empty"),
        ({"roles.gateway": "null"}, "roles.gateway.secrets is empty"),
        ({"clips.size": ""}, "There is no place for clips"),
        ({"clips.claim": "mine"}, "exclude each other"),
        ({"roles.judge.autoscaling.max": "13"}, "a topic has 12 partitions"),
        ({"roles.judge.autoscaling.min": "5"}, "min is larger than max"),
    ],
)
def test_a_mistake_comes_with_its_remedy(sets: dict[str, str], message: str) -> None:
    done = helm("template", "voxwarden", str(CHART), *options([SMALL], sets))
    assert done.returncode != 0
    assert message in done.stderr


def test_the_notes_name_the_next_step() -> None:
    done = helm("install", "voices", str(CHART), "--dry-run=client", *options([SMALL]))
    assert done.returncode == 0, done.stderr
    assert "helm test voices --namespace default --logs" in done.stdout
    assert "service/voices-voxwarden-console 8080" in done.stdout
    assert load(CHART / "Chart.yaml")["appVersion"] in done.stdout
