"""The Helm chart in deploy/helm/, as the tests read and render it."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.chart import CHART
from tests.broker import ROOT
from tests.deploy.files import load, parsed

EXAMPLES = sorted((CHART.parent / "examples").glob("*.yaml"))
LARGE = next(path for path in EXAMPLES if path.name == "large.yaml")
GPU = next(path for path in EXAMPLES if path.name == "gpu.yaml")
SMALL = next(path for path in EXAMPLES if path.name == "small.yaml")
HELM = next(iter(sorted((ROOT / ".cache" / "helm").glob("helm-*"), reverse=True)), None)
TEMPLATES = sorted(path for path in (CHART / "templates").rglob("*") if path.is_file())

Manifest = dict[str, Any]


def merged(below: Any, above: Any) -> Any:
    """Values on top of other values, as Helm puts them together."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merged(below.get(key), value) for key, value in above.items()}
    return above


def values(*paths: Path) -> dict[str, Any]:
    """The values of the chart with those of `paths` on top."""
    found: dict[str, Any] = load(CHART / "values.yaml")
    for path in paths:
        found = merged(found, load(path))
    return found


def roles() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(CHART / "roles.yaml")
    return found


def enabled(path: Path) -> set[str]:
    """The roles that an example starts."""
    chosen = values(path)["roles"]
    return {name for name in roles() if (chosen.get(name) or {}).get("enabled", True)}


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    if HELM is None:
        raise FileNotFoundError("There is no Helm in .cache/helm. Build it: make helm")
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=120, check=False)


def rendered(paths: Sequence[Path], release: str = "voxwarden", **sets: str) -> list[Manifest]:
    """The manifests of a release, hooks included."""
    done = helm("template", release, str(CHART), *options(paths, sets))
    assert done.returncode == 0, done.stderr
    return [each for each in documents(done.stdout) if each]


def options(paths: Sequence[Path], sets: Mapping[str, str] = {}) -> list[str]:
    return [*(f"--values={path}" for path in paths), *(f"--set={key}={value}" for key, value in sets.items())]


def documents(text: str) -> list[Manifest]:
    return [parsed(part) for part in text.split("\n---\n")]


def of_kind(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """The manifests of a kind, by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pods(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """The pods of all workloads, by the workload's name: each with `metadata` and `spec`."""
    own = of_kind(manifests, "Pod")
    made = {
        name: each["spec"]["template"]
        for kind in ("Deployment", "StatefulSet", "Job")
        for name, each in of_kind(manifests, kind).items()
    }
    return own | made
