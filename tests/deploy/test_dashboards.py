"""The dashboards with a real Prometheus that scrapes a real metrics endpoint. No panel stays empty."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import Counter, Gauge, Histogram

from deploy.dashboards import COMMAND, files
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.contract.topology import STAGES
from tests.deploy.files import DASHBOARDS, DEPLOY, load, unknown_names
from tests.deploy.prometheus import prometheus

LABELS = {  # values for queries that need one
    "stage": [stage.name for stage in STAGES],
    "room_type": ["default"],
    "result": ["heard", "skipped", "failed", "segmented", "monitored", "met", "missed", "upheld", "overturned"],
    "agrees": ["no"],
    "bound": ["low", "estimate", "high"],
}


def boards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


ALL = [panel for board in boards() for panel in panels(board)]


def expressions() -> list[str]:
    """Return all queries with the values of Grafana's variables."""
    values = {"$__rate_interval": "20s", "$job": ".*", "$instance": ".*"}
    written = {target["expr"] for panel in ALL for target in panel["targets"]}
    return [re.sub(r"\$\w+", lambda found: values[found[0]], expression) for expression in sorted(written)]


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


def test_the_files_are_up_to_date() -> None:
    written = {path.name: path.read_text("utf-8") for path in DASHBOARDS.glob("*.json")}
    assert written == files(), f"The description has changed: run {COMMAND}"


def test_no_panel_stays_empty(tmp_path: Path) -> None:
    metrics = Metrics()
    with serving(metrics, "127.0.0.1", 0) as url, prometheus(tmp_path, {"judge": urlsplit(url).netloc}) as running:
        running.wait_for_all(expressions(), lambda: happen(metrics))


@pytest.mark.parametrize("panel", ALL, ids=lambda panel: panel["title"])
def test_every_panel_has_what_grafana_requires(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["overrides"] == []
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        assert not unknown_names(target["expr"])
        for metric in re.findall(r"\b(?:voxwarden|process)_\w+(?![:\w])(?=[^:\w]|$)\S{0,12}", target["expr"]):
            assert "{job=~" in metric


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_a_dashboard_has_variables_for_source_job_and_instance(board: dict[str, Any]) -> None:
    assert [each["name"] for each in board["templating"]["list"]] == ["datasource", "job", "instance"]
    assert board["templating"]["list"][0]["query"] == "prometheus"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in panels(board)}) == len(panels(board))


def test_each_dashboard_has_its_own_uid_and_the_source_is_of_its_type() -> None:
    assert len({board["uid"] for board in boards()}) == len(boards()) == 3
    [source] = load(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
