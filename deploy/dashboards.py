"""Write Grafana's dashboards from deploy/grafana/dashboards.yaml: `python -m deploy.dashboards`.

The description has the titles, queries and units. This module adds what is the same for all panels: positions, the data
source, and the variables for job and instance.
"""

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import yaml

COMMAND = "python -m deploy.dashboards"
FOLDER = Path(__file__).parent / "grafana"
WIDTH = 24  # columns of Grafana's grid
# A metric of ours, with the brace of its labels. Functions and names of labels in a query have another form.
METRIC = re.compile(r"\b(?:voxwarden|process)_\w+(?![\w(])(\{)?")
CHOSEN = 'job=~"$job", instance=~"$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def main(folder: Path = FOLDER / "dashboards") -> None:
    for name, text in files().items():
        (folder / name).write_text(text, "utf-8")


def files() -> dict[str, str]:
    """The content of each dashboard's file, by file name."""
    described = yaml.safe_load((FOLDER / "dashboards.yaml").read_text("utf-8"))
    return {f"{each['name']}.json": json.dumps(_dashboard(each), indent=2) + "\n" for each in described}


def _dashboard(described: dict[str, Any]) -> dict[str, Any]:
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
        "templating": {"list": _variables()},
        "panels": list(_panels(described["rows"])),
    }


def _links() -> dict[str, Any]:
    """A menu of the other dashboards."""
    return {"type": "dashboards", "tags": ["voxwarden"], "asDropdown": True, "title": "Voxwarden", "includeVars": True}


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return [source, _labels("job", "voxwarden_build_info"), _labels("instance", 'voxwarden_build_info{job=~"$job"}')]


def _labels(name: str, series: str) -> dict[str, Any]:
    """A variable with all values of a label."""
    # `allValue`: without it, Grafana lists the values, and series without the label disappear under "All".
    query = {"query": f"label_values({series}, {name})", "refId": name}
    always = {"type": "query", "includeAll": True, "multi": True, "allValue": ".*", "refresh": 2, "sort": 1}
    return {"name": name, "label": name.capitalize(), "datasource": SOURCE, "query": query} | always


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
            yield _panel(panel, next(numbers), {"x": x, "y": y, "w": width, "h": height})
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
