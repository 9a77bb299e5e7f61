"""Which sections of the settings each role reads, by its imports. `python -m deploy.chart` writes them for the chart.

A role reads a section if a module that it imports, at its start or later, names the section on a `settings`. So the
list may have a section too many, which restarts a pod without need. It has none too few.
"""

import ast
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path

import grimp

from pipeline.contract.topology import STAGES, Stage
from pipeline.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("agents", "pipeline")
PROPERTIES = {"database_url": "store"}
"""The section that a property of Settings reads."""

SERVED: Mapping[str, tuple[str, ...]] = {
    "gateway": ("agents.gateway.kafka_sink",),
    "console": ("pipeline.console.console_app", "agents.broker.stored_transcripts"),
    "api": ("pipeline.connect.api.api_server",),
    "livekit": ("pipeline.connect.livekit.livekit_process",),
}
"""The modules that `agents/commands/servers.py` imports for each role that is no worker."""
WORKER = "agents.loop.worker_process"


def sections_by_role() -> dict[str, list[str]]:
    """The sections that each role reads, in the order of Settings."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True)
    found = {role: _sections(graph, modules) for role, modules in SERVED.items()}
    for stage in STAGES:
        own = deepcopy(graph)
        for module in _left_out(stage):
            own.remove_module(module)
        found[stage.name] = _sections(own, (WORKER, stage.build.split(":")[0]))
    return found


def _left_out(stage: Stage) -> list[str]:
    """The modules that WORKER imports for other stages only."""
    needed = {
        "agents.loop.holding_work": stage.holds,
        "agents.broker.policy_topic": stage.follows or stage.stores,
        "agents.broker.audio_log": stage.reads_audio,
        "pipeline.review.evidence.evidence_store": stage.stores,
    }
    return [module for module, need in needed.items() if not need]


def _sections(graph: grimp.ImportGraph, starts: Iterable[str]) -> list[str]:
    modules = {each for start in starts for each in (start, *graph.find_upstream_modules(start))}
    read = {section for module in modules for section in _named(module)}
    return [section for section in Settings.model_fields if section in read]


@cache
def _named(module: str) -> frozenset[str]:
    """The sections that a module names. A package without code has no file."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if (path / "__init__.py").exists() else path.with_suffix(".py")  # dsa.py, beside dsa/
    tree = ast.parse(file.read_text("utf-8") if file.exists() else "")
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings")
    }
    return frozenset(PROPERTIES.get(name, name) for name in names) & Settings.model_fields.keys()
