"""Write docs/metrics.md from the metrics, the rules and the dashboards: `python -m deploy.metrics_page`."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import yaml

from pipeline.base.metrics import LABELS, Entry, catalogue

COMMAND = "python -m deploy.metrics_page"
DEPLOY = Path(__file__).parent
PAGE = DEPLOY.parent / "docs" / "metrics.md"
WIDTH = 120
SERIES = re.compile(r"\bvoxwarden[\w:]+")
UNITS = {"seconds": "seconds", "bytes": "bytes", "ratio": "share, 0 to 1", "share": "share, 0 to 1", "info": "always 1"}

HEAD = """# Metrics

**Reader:** the engineer who builds alerts or dashboards.

**Afterwards you can** find the metric for a question, with its unit and labels.

`{command}` writes this page from [pipeline/base/metrics.py](../pipeline/base/metrics.py),
[rules.yml](../deploy/prometheus/rules.yml) and [dashboards.yaml](../deploy/grafana/dashboards.yaml). Do not edit it.

Each process serves its metrics on port 9108 (`metrics.port`) at `/metrics`. The values of a label come from a closed
set, and no label holds a room, a speaker or a text. Counters begin at 0. The gauges of the console are the same in
each console process, so take their `max`, and not their sum. Processes also serve `process_*`: CPU, memory and start
time.
"""


def main() -> None:
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The text of docs/metrics.md."""
    sections = [HEAD.format(command=COMMAND), "## Metrics\n", *map(_section, catalogue().values())]
    return "\n".join([*sections, _labels(), _recorded()])


def _section(entry: Entry) -> str:
    alerts, panels = _users(entry.name, _alerts()), _users(entry.name, _panels())
    facts = {
        "type": entry.kind.__name__.lower(),
        "unit": _unit(entry.name),
        "labels": _listed(f"`{label}`" for label in entry.labels),
        "alerts": _listed(f"[{name}](operate-runbooks.md#{anchor})" for name, anchor in alerts.items()),
        "panels": _listed(panels),
    }
    lines = [_item(f"{fact}: {value}") for fact, value in facts.items() if value]
    return "\n".join([f"### `{entry.name}`\n", f"{fill(entry.meaning, WIDTH)}\n", *lines, ""])


def _item(text: str) -> str:
    """A line of a list, broken at the width of our documents."""
    return fill(f"- {text}", WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _unit(name: str) -> str:
    last = name.removesuffix("_total").rsplit("_", 1)[-1]
    return UNITS.get(last, "number")


def _labels() -> str:
    rows = [f"| `{label}` | {values} |" for label, values in LABELS.items()]
    return "\n".join(["## Labels\n", "| label | values |", "|---|---|", *rows, ""])


def _recorded() -> str:
    """The recording rules, each with the metrics that it is computed from."""
    found: dict[str, set[str]] = {}
    for rule in _rules():
        if "record" in rule:
            found.setdefault(rule["record"], set()).update(SERIES.findall(rule["expr"]))
    lines = [_item(f"`{name}`: {_listed(f'`{each}`' for each in sorted(series))}") for name, series in found.items()]
    return "\n".join(["## Recorded series\n", "Prometheus computes them from these series.\n", *lines, ""])


def _users(name: str, expressions: Mapping[Any, tuple[str, str]]) -> dict[str, str]:
    """The titles whose expression reads the metric, directly or through recording rules."""
    wanted = _derived(name)
    return {title: note for title, (expression, note) in expressions.items() if _read(expression) & wanted}


def _derived(name: str) -> set[str]:
    """The metric, and all recorded series that depend on it."""
    derived, before = {name}, 0
    while len(derived) > before:
        before = len(derived)
        derived |= {rule["record"] for rule in _rules() if "record" in rule and _read(rule["expr"]) & derived}
    return derived


def _read(expression: str) -> set[str]:
    series = set(SERIES.findall(expression))
    return series | {re.sub(r"_(bucket|count|sum)$", "", each) for each in series}


def _rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def _alerts() -> dict[str, tuple[str, str]]:
    alerts = [rule for rule in _rules() if "alert" in rule]
    return {alert["alert"]: (alert["expr"], alert["annotations"]["runbook_url"].partition("#")[2]) for alert in alerts}


def _panels() -> dict[str, tuple[str, str]]:
    """The expressions of each panel, by its name and dashboard."""
    return {
        f'"{panel["title"]}" ({board["name"]})': (" ".join(panel["queries"].values()), "")
        for board in BOARDS
        for row in board["rows"]
        for panel in row["panels"]
    }


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts)


RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text("utf-8"))
BOARDS = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text("utf-8"))

if __name__ == "__main__":
    main()
