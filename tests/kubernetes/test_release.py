"""The life of a release on a real API of Kubernetes: install, upgrade, roll back, drain, test, uninstall."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.chart import CHART
from tests.deploy.chart import EXAMPLES, SMALL, options
from tests.kubernetes.conftest import IN_S3, SECONDS, Namespace

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, f"not done after {SECONDS} s"
        time.sleep(0.2)


def ready(pods: dict[str, dict[str, Any]]) -> int:
    conditions = [each for pod in pods.values() for each in pod["status"].get("conditions", [])]
    return sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_server_accepts_each_manifest(path: Path, namespace: Namespace) -> None:
    """`helm install --dry-run=server` does not ask the server."""
    namespace.kubectl(
        "create", "serviceaccount", "voxwarden"
    )  # no dry run makes the one that the pods of the tests name
    manifests = namespace.helm("template", "voxwarden", str(CHART), *options([path]))
    namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", given=manifests)


def test_an_upgrade_can_be_rolled_back(namespace: Namespace) -> None:
    namespace.install("install", *options([SMALL], IN_S3))
    before = namespace.pods("segment")
    assert len(before) == 1
    assert namespace.found("jobs") == [], "the Job of the setup ended well, so Helm has deleted it"

    namespace.install(
        "upgrade", *options([SMALL], IN_S3 | {"roles.segment.replicas": "3", "settings.audio.idle_seconds": "4"})
    )
    after = namespace.pods("segment")
    assert len(after) == 3
    assert not before.keys() & after.keys()

    namespace.helm("rollback", "voxwarden", "1", "--wait", "--timeout=2m")
    until(lambda: len(namespace.pods("segment")) == 1)
    assert [each["status"] for each in history(namespace)] == ["superseded", "superseded", "deployed"]


def history(namespace: Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(namespace.helm("history", "voxwarden", "--output=json"))
    return found


def test_one_role_is_upgraded_alone(namespace: Namespace) -> None:
    namespace.install("install", *options([SMALL], IN_S3))
    before = namespace.pods("segment"), namespace.pods("deliver")
    namespace.install("upgrade", *options([SMALL], IN_S3 | {"roles.deliver.tag": "next"}))
    after = namespace.pods("segment"), namespace.pods("deliver")
    assert before[0].keys() == after[0].keys()
    assert not before[1].keys() & after[1].keys()
    images = {pod["spec"]["containers"][0]["image"] for pod in after[1].values()}
    assert images == {"voxwarden:next"}


def test_a_changed_policy_restarts_no_gateway(namespace: Namespace) -> None:
    policy = IN_S3 | {"settings.judge.policy": "/etc/voxwarden/policy.yaml"}
    namespace.install("install", *options([SMALL], policy | {r"files.policy\.yaml": "name: ours"}))
    before = {role: namespace.pods(role).keys() for role in ("gateway", "transcribe", "judge")}
    namespace.install("upgrade", *options([SMALL], policy | {r"files.policy\.yaml": "name: theirs"}))
    after = {role: namespace.pods(role).keys() for role in before}
    assert (after["gateway"], after["transcribe"]) == (before["gateway"], before["transcribe"])
    assert not after["judge"] & before["judge"]


def test_a_drain_leaves_one_gateway(namespace: Namespace) -> None:
    namespace.install("install", *options([SMALL], IN_S3))
    nodes = [node["metadata"]["name"] for node in namespace.found("nodes")]
    full = next(iter(namespace.pods("gateway").values()))["spec"]["nodeName"]
    others = [node for node in nodes if node != full]
    try:
        namespace.kubectl("cordon", *others)
        for name in list(namespace.pods("gateway")):  # so that both are on the node that will be drained
            namespace.kubectl("delete", "pod", name)
            until(lambda: ready(namespace.pods("gateway")) == 2)
        drain = ("drain", full, "--ignore-daemonsets", "--delete-emptydir-data", "--force")
        refused = namespace.run("kubectl", *drain, "--timeout=15s")
        assert refused.returncode != 0
        assert "disruption budget" in refused.stdout + refused.stderr
        assert ready(namespace.pods("gateway")) == 1, "the second one waits for a place for the first one"
        namespace.kubectl("uncordon", *others)
        namespace.kubectl(*drain, f"--timeout={SECONDS}s")
        until(lambda: ready(namespace.pods("gateway")) == 2)
        assert {pod["spec"]["nodeName"] for pod in namespace.pods("gateway").values()} <= set(others)
    finally:
        namespace.kubectl("uncordon", *nodes)


def test_the_tests_of_the_release_run(namespace: Namespace) -> None:
    namespace.install("install", *options([SMALL], IN_S3))
    assert namespace.helm("test", "voxwarden").count("Succeeded") == 2


def test_only_the_clips_stay(namespace: Namespace) -> None:
    namespace.install("install", *options([SMALL]))
    namespace.helm("uninstall", "voxwarden", "--wait")
    kinds = "all,configmap,networkpolicy,poddisruptionbudget,serviceaccount,persistentvolumeclaim"
    left = namespace.found(kinds, "--selector=app.kubernetes.io/instance=voxwarden")
    assert [(each["kind"], each["metadata"]["name"]) for each in left] == [("PersistentVolumeClaim", "voxwarden-clips")]
