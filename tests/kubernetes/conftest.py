"""A cluster for the chart: the one that KUBECONFIG names. `make kubernetes` runs these tests, `make test` does not.

The tests start no image, so use a cluster with nodes of KWOK (https://kwok.sigs.k8s.io), where each pod becomes ready,
and each Job and each pod of `helm test` ends well. It needs a volume of 60 GiB for many writers, the CRDs of KEDA and
of the Prometheus operator, and KEDA itself for test_scaling.py.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from deploy.chart import CHART

SECONDS = 180
"""Time for a command."""

IN_S3 = {"clips.size": "", "settings.evidence.store": "s3", "settings.evidence.s3.bucket": "clips"}
"""Values without a volume: a cluster for tests has few."""


class Namespace:
    """A namespace of its own, with the Secrets that the examples name."""

    def __init__(self) -> None:
        self.name = f"test-{uuid4().hex[:8]}"

    def run(self, program: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl or helm in the namespace."""
        command = [program, "--namespace", self.name, *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl, and return its output. Fails with its error."""
        done = self.run("kubectl", *arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def helm(self, *arguments: str) -> str:
        """Run Helm, and return its output. Fails with its error."""
        done = self.run("helm", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, verb: str, *arguments: str) -> str:
        """Install or upgrade the release `voxwarden`, and wait until it is ready."""
        return self.helm(verb, "voxwarden", str(CHART), "--wait", "--timeout=2m", *arguments)

    def found(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "--output=json", *arguments))["items"]
        return items

    def pods(self, role: str) -> dict[str, dict[str, Any]]:
        """The pods of a role that are not about to end, by name."""
        found = self.found("pods", f"--selector=app.kubernetes.io/component={role}")
        return {each["metadata"]["name"]: each for each in found if "deletionTimestamp" not in each["metadata"]}

    def replicas(self, role: str) -> int:
        """How many pods the Deployment of a role wants."""
        return int(self.kubectl("get", "deployment", f"voxwarden-{role}", "--output=jsonpath={.spec.replicas}"))


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    for program in ("kubectl", "helm"):
        assert shutil.which(program), f"There is no {program} on the PATH"
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG names no cluster for tests"
    made = Namespace()
    made.kubectl("create", "namespace", made.name)
    made.kubectl("label", "namespace", made.name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield made
    finally:
        made.run("helm", "uninstall", "voxwarden", "--wait", "--ignore-not-found")
        made.kubectl("delete", "namespace", made.name, "--wait=false")
