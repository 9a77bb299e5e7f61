"""Write the generated files of the Helm chart: `python -m deploy.chart`.

They are the schema of the values, and which settings each role reads (`settings_read.py`).

Helm refuses values that do not fit. The schema of `settings` comes from pipeline/settings/, so a mistake in a setting
stops `helm upgrade`, before a pod stops. Two kinds of settings are left out, and therefore refused: secrets, and what
the chart sets itself.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.settings_read import sections_by_role
from deploy.stages import OPTIONAL
from pipeline.contract.topology import STAGES
from pipeline.settings import Settings

COMMAND = "python -m deploy.chart"
CHART = Path(__file__).parent / "helm" / "voxwarden"
SCHEMA = CHART / "values.schema.json"
READ = CHART / "settings_read.yaml"

Schema = dict[str, Any]

# The keys of each section that templates/_pod.tpl and the image set.
SET_BY_THE_CHART: Mapping[str, set[str]] = {
    "Settings": {"data_dir", "metrics"},
    "Kafka": {"instance"},
    "GatewaySettings": {"host", "port"},
    "ReviewConsole": {"host", "port"},
    "Api": {"host", "port"},
    "LiveKitSettings": {"name", "members", "gateway_url", "webhook_host", "webhook_port"},
}

# Roles with a port of their own. The others are workers.
SERVED = ("gateway", "console", *OPTIONAL)

REFERENCE = "#/$defs/"

TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean"}
WORDS: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
OF_KUBERNETES: Schema = {"type": "object"}  # an object that the API of Kubernetes checks
LIST_OF_KUBERNETES: Schema = {"type": "array", "items": {"type": "object"}}
VARIABLES: Schema = {"type": "array", "items": {"type": "object", "required": ["name"]}}


def main() -> None:
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


def written() -> dict[Path, str]:
    """The expected content of each generated file."""
    return {SCHEMA: json.dumps(values_schema(), indent=1, ensure_ascii=False) + "\n", READ: _read()}


def _read() -> str:
    """The sections that each role reads and that the values may set."""
    head = f"# The sections of `settings` that each role reads. `{COMMAND}` writes this file.\n"
    sections = {
        role: [name for name in read if name not in SET_BY_THE_CHART["Settings"]]
        for role, read in sections_by_role().items()
    }
    return head + "".join(f"{role}: [{', '.join(read)}]\n" for role, read in sections.items())


def values_schema() -> Schema:
    """The schema of values.yaml, JSON Schema draft 7, which all versions of Helm read."""
    settings = settings_schema()
    return _object(
        image=_object(
            repository=TEXT,
            tag=TEXT,
            digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
            pullSecrets=WORDS,
        ),
        settings=settings["settings"],
        files=TEXTS,
        broker=_object(secret=TEXT, files=TEXT, staticMembership=SWITCH),
        database=_object(secret=TEXT),
        clips=_object(claim=TEXT, size=TEXT, storageClass=TEXT),
        serviceAccount=_object(create=SWITCH, name=TEXT, annotations=TEXTS),
        setup=_object(enabled=SWITCH, seconds=_whole(60), serviceAccount=TEXT),
        defaults=_object(**_role(), **_served(), autoscaling={"$ref": "#/$defs/autoscaling"}),
        roles=_object(
            **{name: {"$ref": f"#/$defs/{'served' if name == 'console' else 'optional'}"} for name in SERVED},
            **{stage.name: {"$ref": f"#/$defs/{'switched' if stage.switch else 'worker'}"} for stage in STAGES},
        ),
        keda=_object(
            enabled=SWITCH,
            pollingSeconds=_whole(1),
            cooldownSeconds=_whole(300),
            stableSeconds=_whole(120),
            stepSeconds=_whole(120),
            authentication=TEXT,
        ),
        network=_object(
            enabled=SWITCH,
            kafka={"$ref": "#/$defs/peers"},
            database={"$ref": "#/$defs/peers"},
            metricsFrom=LIST_OF_KUBERNETES,
        ),
        monitoring=_object(serviceMonitor=SWITCH, rules=SWITCH, dashboards=SWITCH, labels=TEXTS, runbooks=TEXT),
        **{"global": OF_KUBERNETES},
    ) | {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$defs": {
            "worker": _object(**_role(), autoscaling={"$ref": "#/$defs/autoscaling"}),
            "switched": _object(enabled=SWITCH, **_role(), autoscaling={"$ref": "#/$defs/autoscaling"}),
            "served": _object(**_role(), **_served()),
            "optional": _object(enabled=SWITCH, **_role(), **_served()),
            "autoscaling": _object(lag=_whole(1), min=_whole(1), max=_whole(1))
            | {"dependencies": {"max": ["lag", "min"], "lag": ["max"], "min": ["max"]}},
            "peers": _object(
                ports={"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}, "minItems": 1},
                to=LIST_OF_KUBERNETES,
            ),
            **settings["$defs"],
        },
    }


def _role() -> Schema:
    return {
        "replicas": _whole(1),
        "tag": TEXT,
        "resources": OF_KUBERNETES,
        "secrets": WORDS,
        "env": VARIABLES,
        "serviceAccount": TEXT,
        "graceSeconds": _whole(1),
        "priorityClass": TEXT,
        "runtimeClass": TEXT,
        "nodeSelector": TEXTS,
        "tolerations": LIST_OF_KUBERNETES,
        "affinity": OF_KUBERNETES,
        "podLabels": TEXTS,
        "podAnnotations": TEXTS,
        "volumes": LIST_OF_KUBERNETES,
        "volumeMounts": LIST_OF_KUBERNETES,
        "to": LIST_OF_KUBERNETES,
    }


def _served() -> Schema:
    ingress = _object(host=TEXT, className=TEXT, tlsSecret=TEXT, annotations=TEXTS)
    return {
        "from": LIST_OF_KUBERNETES,
        "service": _object(type={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, annotations=TEXTS),
        # Empty, or with a host and the Secret of its certificate.
        "ingress": ingress | {"dependencies": {name: ["host", "tlsSecret"] for name in ingress["properties"]}},
    }


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _whole(least: int) -> Schema:
    return {"type": "integer", "minimum": least}


def settings_schema() -> Schema:
    """The settings of a cluster, under `settings`, and their sections, under `$defs`."""
    whole = Settings.model_json_schema()
    sections: dict[str, Schema] = whole.pop("$defs")
    kept = {name: _kept(name, section, sections) for name, section in {**sections, "Settings": whole}.items()}
    for section in kept.values():
        for known in section.get("properties", {}).values():
            if "default" in known and "$ref" in known:  # each key of the section has a default, so none is required
                kept[known["$ref"].removeprefix(REFERENCE)].pop("required", None)
    settings = kept.pop("Settings")
    return {"settings": _bare(settings), "$defs": {name: _bare(kept[name]) for name in _named(settings, kept)}}


def _kept(name: str, section: Schema, sections: Mapping[str, Schema]) -> Schema:
    """The section without the keys that the values may not set."""
    known = {
        key: schema
        for key, schema in section.get("properties", {}).items()
        if key not in SET_BY_THE_CHART.get(name, ()) and not _is_secret(schema, sections)
    }
    required = [key for key in section.get("required", ()) if key in known]  # a secret comes from the environment
    return section | {"properties": known, "required": required}


def _is_secret(schema: Schema, sections: Mapping[str, Schema]) -> bool:
    """Whether the key is a secret, or a list of secrets or of objects with one."""
    items = schema.get("items")
    parts = [*schema.get("anyOf", ()), *([items] if items else [])]
    if items and "$ref" in items:
        parts = list(sections[items["$ref"].removeprefix(REFERENCE)]["properties"].values())
    return schema.get("format") == "password" or any(_is_secret(part, sections) for part in parts)


def _named(schema: Any, sections: Mapping[str, Schema]) -> list[str]:
    """The sections that the schema refers to, directly or not."""
    found: dict[str, None] = {}
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            name = str(each.get("$ref", "")).removeprefix(REFERENCE)
            if name and name not in found:
                found[name] = None
                waiting.append(sections[name])
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return sorted(found)


def _bare(schema: Any, keys: bool = False) -> Any:
    """The schema without titles, defaults, formats of Python and empty lists. `keys`: it maps names to schemas."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _bare(each, keys=name == "properties" and not keys)
        for name, each in schema.items()
        if keys or (name not in {"title", "default"} and each not in ("path", []))
    }


if __name__ == "__main__":
    main()
