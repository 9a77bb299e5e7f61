"""Counters with known label values start at 0, because Prometheus would otherwise miss their first increment."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

from agents.gateway import Close, Gateway
from pipeline.base.metrics import LABELS, Metrics, catalogue, from_zero
from pipeline.console.console_app import create_app
from pipeline.console.services import open_services
from pipeline.contract.messages import Mark, Source, Suggestion, Verdict
from pipeline.contract.topology import STAGES
from pipeline.judge import judge_stage, labels
from pipeline.review.database import Database
from pipeline.review.delivery import deliver_stage, webhook_sender
from pipeline.review.delivery.enforcements import Result
from pipeline.review.evidence.lookback import open_lookback
from pipeline.runner.local import LocalRunner
from pipeline.settings import Settings, load
from pipeline.speech.asr.transcribe_stage import Transcribe
from pipeline.speech.audio import vad
from pipeline.speech.audio.chunk_order import FAULTS
from pipeline.speech.audio.segment_stage import Segment
from pipeline.speech.audio.vad import Reason
from tests.pipeline.speech.asr.parts import Scripted

ROOM_TYPES = ("game", "default", "other", "kids")
SECRET = "whsec_" + "QUFB" * 8


def shown(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"voxwarden_{name}_total"
    }


def all_of(kind: Any) -> set[tuple[str, ...]]:
    return {(value,) for value in get_args(kind)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"data_dir": tmp_path, "webhooks": {"url": "http://127.0.0.1:9", "secret": SECRET}})


async def nowhere(chunk: object) -> None:
    del chunk


def segment(settings: Settings, metrics: Metrics) -> Any:
    return Segment(settings.audio, metrics, vad.shared())


def transcribe(settings: Settings, metrics: Metrics) -> Any:
    return Transcribe(Scripted([]), settings.asr, metrics)


def console(settings: Settings, metrics: Metrics) -> Any:
    with closing(Database(settings.database_url)) as database:
        return create_app(open_services(settings, database, metrics=metrics))


def outbox(settings: Settings, metrics: Metrics) -> None:
    with closing(Database(settings.database_url)) as database:
        sender = webhook_sender.build_webhooks(settings, database, metrics, lambda: 0.0)
    assert sender is not None
    asyncio.run(sender.close())


def gateway(settings: Settings, metrics: Metrics) -> Any:
    return Gateway(settings.gateway, metrics, nowhere)


def deliver(settings: Settings, metrics: Metrics) -> Any:
    return deliver_stage.build(settings, metrics, open_lookback(settings))


@pytest.mark.parametrize(
    ("build", "name", "labels"),
    [
        (segment, "sequence_faults", {(fault,) for fault in FAULTS}),
        (transcribe, "transcripts", {("en",), ("zh",)}),
        (transcribe, "transcripts_marked", all_of(Mark)),
        (transcribe, "triaged", all_of(Reason)),
        (transcribe, "early_utterances", {("used",), ("discarded",), ("declined",)}),
        (judge_stage.build, "flags", {(*one, *by) for one in all_of(Suggestion) for by in all_of(Source)}),
        (judge_stage.build, "labels", {(label,) for label in labels.load_labels().labels}),
        (deliver, "counted_seconds", {(one, result) for one in ROOM_TYPES for result in deliver_stage.COUNTED}),
        (
            judge_stage.build,
            "scores",
            {(label, tenth) for label in labels.load_labels().labels for tenth in judge_stage.TENTHS},
        ),
        (
            deliver,
            "cases",
            {
                ("created",),
                ("merged",),
                ("linked",),
                ("repeated",),
                ("updated",),
                ("worsened",),
                ("passed",),
                ("muted",),
                ("audit",),
            },
        ),
        (console, "decisions", all_of(Verdict)),
        (console, "actions", all_of(Result)),
        (console, "appeals", {("lodged",), ("upheld",), ("overturned",), ("reopened",)}),
        (console, "review_deadlines", {(one, result) for one in labels.SEVERITIES for result in ("met", "missed")}),
        (outbox, "webhooks", {("sent",), ("retried",), ("failed",)}),
        (gateway, "gateway_refused", {(code.name.lower(),) for code in Close}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_counter_with_known_label_values_starts_at_zero(
    build: Callable[[Settings, Metrics], Any], name: str, labels: set[tuple[str, ...]], settings: Settings
) -> None:
    metrics = Metrics()
    made = build(settings, metrics)
    assert shown(metrics, name) == dict.fromkeys(labels, 0.0)
    if hasattr(made, "close"):
        made.close()


async def test_the_local_runner_starts_its_counters_at_zero(settings: Settings) -> None:
    metrics = Metrics()
    LocalRunner(settings, metrics, lambda stage, batch, outputs: None)
    for name in ("messages", "dead_letters"):
        assert shown(metrics, name) == {(stage.name,): 0.0 for stage in STAGES if stage.is_on(settings)}


def test_every_combination_of_two_label_values_is_exposed() -> None:
    metrics = Metrics()
    from_zero(metrics.coverage, ("game", "kids"), ("heard", "skipped"))
    assert len(shown(metrics, "coverage_utterances")) == 4


def test_the_catalogue_describes_every_metric_that_is_exposed() -> None:
    metrics = Metrics()
    exposed = {
        family.name: (family.type, family.documentation)
        for family in metrics.registry.collect()
        if family.name.startswith("voxwarden_")
    }
    described = {
        entry.name.removesuffix("_total"): (entry.kind.__name__.lower(), entry.meaning)
        for entry in catalogue().values()
    }
    assert described == exposed


def test_every_label_of_a_metric_is_described() -> None:
    assert {label for entry in catalogue().values() for label in entry.labels} == LABELS.keys()


def test_versions_in_use_are_shown(settings: Settings) -> None:
    metrics = Metrics()
    with closing(transcribe(settings, metrics)), closing(judge_stage.build(settings, metrics)):
        infos = [(name, family) for family in metrics.registry.collect() if (name := family.name).endswith("_info")]
    assert {name: [sample.value for sample in family.samples] for name, family in infos} == {
        f"voxwarden_{name}_info": [1.0] for name in ("build", "recogniser", "classifier", "policy")
    }


def test_an_attribute_has_the_type_that_the_catalogue_describes() -> None:
    metrics = Metrics()
    for attribute, entry in catalogue().items():
        assert type(getattr(metrics, attribute)) is entry.kind


def test_each_process_object_counts_for_itself() -> None:
    first, second = Metrics(), Metrics()
    first.audio_seconds.inc(3)
    assert shown(first, "audio_seconds") == {(): 3.0}
    assert shown(second, "audio_seconds") == {(): 0.0}
