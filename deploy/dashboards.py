"""Write Grafana's dashboards from deploy/grafana/dashboards.yaml: `python -m deploy.dashboards`.

The description has the titles, queries and units. This module adds what is the same for all panels: positions, the data
source, and the variables for job and instance. `voxwarden run` has an operations dashboard of its own,
one_machine.json, without the panels `only: kafka`.
"""

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from deploy import alert_table

COMMAND = "python -m deploy.dashboards"
FOLDER = Path(__file__).parent / "grafana"
ONE_MACHINE = FOLDER / "one_machine.json"
WIDTH = 24  # columns of Grafana's grid
# A metric of ours, with the brace of its labels. Functions and names of labels in a query have another form.
METRIC = re.compile(r"\b(?:voxwarden|process)_\w+(?![\w(])(\{)?")
CHOSEN = 'job=~"$job", instance=~"$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def main() -> None:
    for name, text in files().items():
        (FOLDER / "dashboards" / name).write_text(text, "utf-8")
    ONE_MACHINE.write_text(one_machine(), "utf-8")


def files() -> dict[str, str]:
    """The content of each dashboard's file for a deployment on Kafka, by file name."""
    return {f"{each['name']}.json": _text(each, "kafka") for each in _described()}


def one_machine() -> str:
    """The operations dashboard of `voxwarden run`. The other dashboards fit both."""
    [operations] = [each for each in _described() if each["name"] == "operations"]
    own = {"name": "one-machine", "title": f"{operations['title']}, one machine"}
    return _text(operations | own, "one machine")


def _described() -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = yaml.safe_load((FOLDER / "dashboards.yaml").read_text("utf-8"))
    return described


def _text(described: dict[str, Any], on: str) -> str:
    """A dashboard as JSON, with the panels that fit a deployment `on` kafka or on one machine."""
    rows = [row | {"panels": [each for each in row["panels"] if _fits(each, on)]} for row in described["rows"]]
    return json.dumps(_dashboard(described | {"rows": rows}), indent=2, ensure_ascii=False) + "\n"


def _fits(panel: dict[str, Any], on: str) -> bool:
    return panel.get("only") in (None, on)


def _dashboard(described: dict[str, Any]) -> dict[str, Any]:
    panels = list(_panels(described["rows"]))
    return {
        "uid": f"voxwarden-{described['name']}",
        "title": described["title"],
        "description": described["description"],
        "tags": ["voxwarden"],
        "schemaVersion": 39,
        "editable": False,
        "timezone": "utc",
        "refresh": "15s",
        "time": {"from": described["from"], "to": "now"},
        "graphTooltip": 1,
        "annotations": {"list": []},
        "links": [_links()],
        "templating": {"list": _variables(panels)},
        "panels": panels,
    }


def _links() -> dict[str, Any]:
    """A menu of the other dashboards."""
    return {"type": "dashboards", "tags": ["voxwarden"], "asDropdown": True, "title": "Voxwarden", "includeVars": True}


def _variables(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    series = ("voxwarden_build_info", 'voxwarden_build_info{job=~"$job"}')
    linked = any(panel["type"] == "table" for panel in panels)
    runbooks = [_variable("runbooks", alert_table.RUNBOOKS, refresh=2, hide=2)] if linked else []
    return [source, _labels("job", series[0]), _labels("instance", series[1]), *runbooks]


def _labels(name: str, series: str) -> dict[str, Any]:
    """A variable with all values of a label."""
    query = f"label_values({series}, {name})"
    # `allValue`: without it, Grafana lists the values, and series without the label disappear under "All".
    return _variable(name, query, includeAll=True, multi=True, allValue=".*", refresh=2, sort=1)


def _variable(name: str, query: str, **more: Any) -> dict[str, Any]:
    asked = {"datasource": SOURCE, "query": {"query": query, "refId": name}, "type": "query"}
    return {"name": name, "label": name.capitalize()} | asked | more


def _panels(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    numbers, y = count(1), 0
    for row in rows:
        if row["title"]:
            line = {"x": 0, "y": y, "w": WIDTH, "h": 1}
            yield {"id": next(numbers), "type": "row", "title": row["title"], "collapsed": False, "gridPos": line}
            y += 1
        width, height = row["size"]
        for place, panel in enumerate(row["panels"]):
            x = place * width % WIDTH
            y += height if place and not x else 0
            drawn = _alerts if panel.get("type") == "alerts" else _panel
            yield drawn(panel, next(numbers), {"x": x, "y": y, "w": width, "h": height})
        y += height


def _panel(described: dict[str, Any], number: int, place: dict[str, int]) -> dict[str, Any]:
    limits = {"max": 1} if described["unit"] == "percentunit" else {}
    return {
        "id": number,
        "type": described.get("type", "timeseries"),
        "title": described["title"],
        "description": described["description"],
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": described["unit"]} | limits | _steps(described) | _scale(described),
            "overrides": [],
        },
        "options": {},
        "targets": [_target(*each) for each in zip("ABCDEFGH", described["queries"].items(), strict=False)],
    }


def _alerts(described: dict[str, Any], number: int, place: dict[str, int]) -> dict[str, Any]:
    """The table of the alerts that fire."""
    plain = _panel(described | {"type": "table", "queries": {"": alert_table.query()}}, number, place)
    plain["fieldConfig"] = {
        "defaults": {"unit": described["unit"], "noValue": "No alert fires."},
        "overrides": alert_table.overrides(),
    }
    plain["targets"][0] |= {"format": "table", "instant": True}
    return plain | alert_table.options()


def _steps(described: dict[str, Any]) -> dict[str, Any]:
    """The colours of a value: each with the value at which it begins."""
    if "colors" not in described:
        return {}
    steps = [{"color": color, "value": value} for color, value in described["colors"].items()]
    return {"thresholds": {"mode": "absolute", "steps": steps}}


def _scale(described: dict[str, Any]) -> dict[str, Any]:
    return {"custom": {"scaleDistribution": {"type": "log", "log": 10}}} if described.get("log") else {}


def _target(letter: str, query: tuple[str, str]) -> dict[str, str]:
    legend, expression = query
    return {"refId": letter, "expr": METRIC.sub(_chosen, expression), "legendFormat": legend, "editorMode": "code"}


def _chosen(found: re.Match[str]) -> str:
    """Narrow a metric to the chosen jobs and instances. Recording rules have no such labels."""
    return f"{found[0]}{CHOSEN}, " if found[1] else f"{found[0]}{{{CHOSEN}}}"


if __name__ == "__main__":
    main()
