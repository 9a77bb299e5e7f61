"""Builds the processor of a stage, for the runner of one machine and for the workers on Kafka."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.base.metrics import Metrics
from pipeline.contract.stage import Processor
from pipeline.contract.topology import Stage
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.judge.judge_stage import Rules
    from pipeline.review.evidence.lookback import UtteranceLog


def build_processor(
    stage: Stage,
    settings: Settings,
    metrics: Metrics,
    log: "UtteranceLog | None" = None,
    rules: "Rules | None" = None,
) -> Processor[Any, Any]:
    """Build the stage's processor. It reads audio from `log` if the stage `reads_audio`.

    It uses `rules` if the stage `follows`; without them, the files of the settings. If the stage `reads_store`, it gets
    the bank of recordings in the store of the settings.
    """
    if stage.reads_audio and log is None:
        raise TypeError(f"The stage {stage.name} reads audio, but there is no log to read it from")
    module, function = stage.build.split(":")
    build: Callable[..., Processor[Any, Any]] = getattr(import_module(module), function)
    parts: list[Any] = [log] * stage.reads_audio + [rules] * stage.follows
    if stage.reads_store:
        from pipeline.review.recording_bank import Bank  # here, because other stages need no database

        parts.append(Bank(settings.database_url))
    return build(settings, metrics, *parts)
