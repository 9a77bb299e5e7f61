"""Write docs/metrics.md from the metrics and the rules: `python -m deploy.metrics_page`."""

import re
from collections.abc import Iterable
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
UNITS = {"ratio": "0 to 1", "share": "0 to 1"}

HEAD = """# Metrics

`{command}` writes this page from [pipeline/base/metrics.py](../pipeline/base/metrics.py) and
[rules.yml](../deploy/prometheus/rules.yml), which also has the recorded series. Do not edit it.
[dashboards.yaml](../deploy/grafana/dashboards.yaml) names the metrics of each panel.

Each process serves its metrics on port 9108 (`metrics.port`) at `/metrics`, with `process_*`: CPU, memory and start
time. The values of a label come from a closed set, and no label holds a room, a speaker or a text. Counters begin at 0.
Each console has the same gauges, so take their `max`, not their sum. A name that ends in `seconds` or `bytes` has this
unit.
"""


def main() -> None:
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The text of docs/metrics.md."""
    sections = [HEAD.format(command=COMMAND), "## Metrics\n", *map(_section, catalogue().values())]
    return "\n".join([*sections, _labels()])


def _section(entry: Entry) -> str:
    facts = [entry.kind.__name__.capitalize(), _unit(entry.name), *(f"`{label}`" for label in entry.labels)]
    alerts = _listed(f"[{name}](runbooks.md#{anchor})" for name, anchor in _alerts(entry.name).items())
    told = f" Alerts: {alerts}." if alerts else ""
    text = f"{_listed(filter(None, facts))}. {entry.meaning}{told}"
    return f"### `{entry.name}`\n\n{fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)}\n"


def _unit(name: str) -> str:
    last = name.removesuffix("_total").rsplit("_", 1)[-1]
    return UNITS.get(last, "")


def _labels() -> str:
    return "\n".join(["## Labels\n", *(f"- `{label}`: {values}" for label, values in LABELS.items()), ""])


def _alerts(name: str) -> dict[str, str]:
    """The alerts that read the metric, directly or through recording rules, each with the anchor of its runbook."""
    wanted = derived(name)
    return {
        rule["alert"]: rule["annotations"]["runbook_url"].partition("#")[2]
        for rule in _rules()
        if "alert" in rule and _read(rule["expr"]) & wanted
    }


def derived(name: str) -> set[str]:
    """The metric, and all recorded series that depend on it."""
    derived, before = {name}, 0
    while len(derived) > before:  # a rule may read the series of another rule
        before = len(derived)
        derived |= {rule["record"] for rule in _rules() if "record" in rule and _read(rule["expr"]) & derived}
    return derived


def _read(expression: str) -> set[str]:
    series = set(SERIES.findall(expression))
    # The series of a histogram have these endings, which its name does not have.
    return series | {re.sub(r"_(bucket|count|sum)$", "", each) for each in series}


def _rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts)


RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text("utf-8"))

if __name__ == "__main__":
    main()
