"""The dashboards with a real Prometheus that scrapes a real metrics endpoint. No panel stays empty."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import Counter, Gauge, Histogram

from deploy.alert_table import LINK, RUNBOOKS
from deploy.dashboards import COMMAND, ONE_MACHINE, files, one_machine
from deploy.metrics_page import derived
from pipeline.base.metrics import Metrics, catalogue
from pipeline.base.metrics_server import serving
from pipeline.contract.topology import STAGES
from tests.deploy.files import DASHBOARDS, DEPLOY, ROOT, alerts, load, unknown_names
from tests.deploy.prometheus import prometheus

LABELS = {  # values for queries that need one
    "stage": [stage.name for stage in STAGES],
    "room_type": ["default"],
    "result": ["heard", "skipped", "failed", "segmented", "monitored", "met", "missed", "upheld", "overturned"],
    "agrees": ["no"],
    "bound": ["low", "estimate", "high"],
}


def boards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in [*sorted(DASHBOARDS.glob("*.json")), ONE_MACHINE]]


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
    assert ONE_MACHINE.read_text("utf-8") == one_machine(), f"The description has changed: run {COMMAND}"


def test_no_panel_stays_empty(tmp_path: Path) -> None:
    metrics = Metrics()
    with serving(metrics, "127.0.0.1", 0) as url, prometheus(tmp_path, {"judge": urlsplit(url).netloc}) as running:
        running.wait_for_all(expressions(), lambda: happen(metrics))


@pytest.mark.parametrize("panel", ALL, ids=lambda panel: panel["title"])
def test_every_panel_has_what_grafana_requires(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["type"] == "table" or panel["fieldConfig"]["overrides"] == []
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        assert not unknown_names(target["expr"])
        for metric in re.findall(r"\b(?:voxwarden|process)_\w+(?![:\w])(?=[^:\w]|$)\S{0,12}", target["expr"]):
            assert "{job=~" in metric


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_a_dashboard_has_variables_for_source_job_and_instance(board: dict[str, Any]) -> None:
    assert [each["name"] for each in board["templating"]["list"]][:3] == ["datasource", "job", "instance"]
    assert board["templating"]["list"][0]["query"] == "prometheus"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in panels(board)}) == len(panels(board))


def test_each_dashboard_has_its_own_uid_and_the_source_is_of_its_type() -> None:
    assert len({board["uid"] for board in boards()}) == len(boards()) == 4
    [source] = load(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"


def test_the_first_panel_lists_faults_with_their_beginnings_and_runbooks() -> None:
    for board in (json.loads(files()["operations.json"]), json.loads(one_machine())):
        first = board["panels"][0]
        columns = {each["matcher"]["options"]: properties(each) for each in first["fieldConfig"]["overrides"]}
        assert list(columns) == list(first["transformations"][0]["options"]["renameByName"].values())
        told = {rule["alert"]: rule["annotations"] for rule in alerts() if rule["labels"]["severity"] != "none"}
        said, anchors = (texts(columns[name]["mappings"]) for name in ("Fault", "Runbook"))
        assert said.keys() == anchors.keys() == told.keys()
        assert said["VoxwardenRoleMissing"] == "No … process is running"
        ends = {name: notes["runbook_url"].partition("#")[2] for name, notes in told.items()}
        assert anchors == ends
        assert columns["Runbook"]["links"][0]["url"] == LINK
        assert board["templating"]["list"][-1]["query"]["query"] == RUNBOOKS


def properties(override: dict[str, Any]) -> dict[str, Any]:
    return {each["id"]: each["value"] for each in override["properties"]}


def texts(mappings: list[dict[str, Any]]) -> dict[str, str]:
    return {value: shown["text"] for value, shown in mappings[0]["options"].items()}


def written_only_with_kafka() -> set[str]:
    """The metrics that only the loop of the workers and the clients of Kafka write, with their recorded series."""
    fields = {field: entry.name for field, entry in catalogue().items()}
    with_kafka, others = set[str](), set[str]()
    for path in (path for room in ("agents", "pipeline") for path in (ROOT / room).rglob("*.py")):
        written = (
            with_kafka if path.relative_to(ROOT).parts[:2] in {("agents", "loop"), ("agents", "broker")} else others
        )
        written |= set(re.findall(r"metrics\.(\w+)", path.read_text("utf-8"))) & fields.keys()
    return {series for field in with_kafka - others for series in derived(fields[field])}


def test_the_dashboard_of_one_machine_has_no_panel_about_kafka() -> None:
    kafka = written_only_with_kafka()
    assert {"voxwarden_lag_seconds", "voxwarden:lag_seconds:max", "voxwarden_retries_total"} <= kafka
    on_kafka, alone = (
        {panel["title"]: panel for panel in panels(json.loads(text))}
        for text in (files()["operations.json"], one_machine())
    )
    read = {title: series(panel) & kafka for title, panel in alone.items()}
    assert [title for title, found in read.items() if found] == []
    about = {title for title, panel in on_kafka.items() if series(panel) & kafka}
    assert on_kafka.keys() - alone.keys() == about | {"Dependencies"}  # `voxwarden run` has none that could be away
    assert alone.keys() - on_kafka.keys() == {"Waiting"}
    assert "Kafka" not in "".join(panel["description"] for panel in alone.values())


def series(panel: dict[str, Any]) -> set[str]:
    return {name for target in panel["targets"] for name in re.findall(r"\bvoxwarden[\w:]+", target["expr"])}


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
