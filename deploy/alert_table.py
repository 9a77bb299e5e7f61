"""The first panel of the operations dashboard: the faults, each with its beginning and its runbook.

It shows the alerts of which Alertmanager tells on-call. So an outage is one line, without its consequences: the query
leaves out what `inhibit_rules` of alertmanager.yml mute. The texts and runbooks are those of rules.yml.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "prometheus"
FIRING = 'alertstate="firing"'
OURS = 'alertname=~"Voxwarden.*", severity!="none"'
# The labels that say what an alert is about.
ABOUT = ("dependency", "stage", "role", "instance", "room_type", "label", "action", "policy")
RUNBOOKS = 'label_values(ALERTS{alertname="VoxwardenRunbooks"}, runbooks)'
"""Grafana's query for the variable `runbooks`, the address of docs/runbooks.md."""
LINK = "${runbooks:raw}#${__value.text}"
COLORS = {"page": "red", "ticket": "orange"}


def query() -> str:
    """A series for each alert of which on-call is told; its value is the start in milliseconds since 1970."""
    muted = " or ".join(map(_muted, _load("alertmanager.yml")["inhibit_rules"]))
    since = f"1000 * ALERTS_FOR_STATE{{{OURS}}} and ignoring (alertstate) (ALERTS{{{OURS}, {FIRING}}} unless ({muted}))"
    about = ", ".join(f'"{label}"' for label in ABOUT)
    named = f'label_join(label_join({since}, "where", " ", {about}), "runbook", "", "alertname")'
    return f"sort(min by (severity, where, alertname, runbook) ({named}))"


def _muted(rule: Mapping[str, Any]) -> str:
    """The alerts that an inhibition mutes."""
    source, target = (", ".join([*rule[f"{end}_matchers"], FIRING]) for end in ("source", "target"))
    return f"(ALERTS{{{target}}} and on ({', '.join(rule.get('equal', []))}) ALERTS{{{source}}})"


def options() -> dict[str, Any]:
    """The parts of Grafana's panel that make a table of the query."""
    columns = {"severity": "Severity", "where": "Where", "alertname": "Fault", "Value": "Since", "runbook": "Runbook"}
    order = {name: place for place, name in enumerate(columns)}
    organized = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": columns}
    return {
        "transformations": [{"id": "organize", "options": organized}],
        "options": {"sortBy": [{"displayName": "Severity", "desc": False}]},  # a page comes before a ticket
    }


def overrides() -> list[dict[str, Any]]:
    """How Grafana shows each column."""
    rules = [rule for group in _load("rules.yml")["groups"] for rule in group["rules"] if "alert" in rule]
    alerts = [rule for rule in rules if rule["labels"]["severity"] in COLORS]
    # Grafana cannot see annotations. The value of a template is in the column Where, or changes.
    said = {each["alert"]: re.sub(r"{{.*?}}", "…", each["annotations"]["summary"]) for each in alerts}
    anchors = {each["alert"]: each["annotations"]["runbook_url"].partition("#")[2] for each in alerts}
    link = {"title": "Open the runbook", "url": LINK, "targetBlank": True}
    return [
        _column("Severity", 90, mappings=_texts({name: name for name in COLORS}, COLORS), **_colored()),
        _column("Where", 260),
        _column("Fault", None, mappings=_texts(said)),
        _column("Since", 140, unit="dateTimeFromNow"),
        _column("Runbook", 260, mappings=_texts(anchors), links=[link]),
    ]


def _column(name: str, width: int | None, **properties: Any) -> dict[str, Any]:
    wide = {"custom.width": width} if width else {}
    listed = [{"id": key, "value": value} for key, value in (wide | properties).items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": listed}


def _texts(texts: Mapping[str, str], colors: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Grafana's texts, and colors, for the values of a column."""
    options = {
        value: {"index": place, "text": text} | ({"color": colors[value]} if colors else {})
        for place, (value, text) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


def _colored() -> dict[str, Any]:
    return {"custom.cellOptions": {"type": "color-background"}}


def _load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))
