"""The dashboard with a real Prometheus that scrapes a real metrics endpoint. No panel stays empty."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import Counter, Gauge, Histogram

from pipeline.metrics import Metrics
from pipeline.metrics_server import serving
from pipeline.topology import STAGES
from tests.deploy.files import DASHBOARD, DEPLOY, load, unknown_names
from tests.deploy.prometheus import prometheus

LABELS = {  # values for queries that need one
    "stage": [stage.name for stage in STAGES],
    "room_type": ["default"],
    "result": ["heard", "skipped", "segmented", "monitored", "met", "missed"],
    "agrees": ["no"],
}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    written = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [expression.replace("$__rate_interval", "20s") for expression in written]


def happen(metrics: Metrics) -> None:
    """Change each metric of the catalogue, with every label."""
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            for child in children(metric):
                child.observe(0.3) if isinstance(child, Histogram) else child.inc()


def children(metric: Any) -> list[Any]:
    """Return one child for each label value. The library shows a metric's label names only there."""
    values = {name: LABELS.get(name, ["any"]) for name in metric._labelnames}
    if not values:
        return [metric]
    rows = range(max(map(len, values.values())))
    return [metric.labels(**{name: each[row % len(each)] for name, each in values.items()}) for row in rows]


def test_no_panel_stays_empty(tmp_path: Path) -> None:
    metrics = Metrics()
    with serving(metrics, "127.0.0.1", 0) as url, prometheus(tmp_path, {"judge": urlsplit(url).netloc}) as running:
        running.wait_for_all(expressions(), lambda: happen(metrics))


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_every_panel_has_a_description(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert (
        panel["datasource"]["uid"]
        == load(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]["uid"]
    )
    for target in panel["targets"]:
        assert not unknown_names(target["expr"])


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
