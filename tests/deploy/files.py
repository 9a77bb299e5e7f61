"""The files in deploy/, as the tests read them."""

import re
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.metrics import Metrics

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"


def load(path: Path) -> Any:
    return parsed(path.read_text("utf-8"))


def parsed(text: str) -> Any:
    """Parse YAML with libyaml, which takes a tenth of the time."""
    return yaml.load(text, yaml.CSafeLoader)


def rules() -> list[dict[str, Any]]:
    """Return alerts and recording rules."""
    return [rule for group in load(RULES)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def unknown_names(expression: str) -> set[str]:
    """Return the series in a PromQL expression that neither `pipeline/base/metrics.py` nor a recording rule defines."""
    families = Metrics().registry.collect()
    known = {family.name + suffix for family in families for suffix in ("", "_total", "_bucket", "_count", "_sum")}
    return set(re.findall(r"\b(?:voxwarden|process)[\w:]+", expression)) - known - recorded()
