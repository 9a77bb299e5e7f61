"""One worker process with one role. It runs until a signal or an unexpected error ends it."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from threading import Timer
from typing import Any

import faust

from agents.broker import kafka_topics
from agents.broker.audio_log import open_log
from agents.broker.kafka_clients import BrokerAnswers
from agents.broker.kafka_topics import warn_unpaired
from agents.broker.policy_topic import exchanging, follow_topic
from agents.loop import holding_work
from agents.loop.early_reader import working_ahead
from agents.loop.faust_app import create_faust_app
from agents.loop.health import Health
from agents.loop.lag import unknown_backlog
from agents.loop.stage_loop import EXIT_UNFINISHED, StageLoop, end_process
from agents.loop.work import BatchWork, Work
from pipeline.base.dependencies import Dependencies, DependencyCheck, patiently
from pipeline.base.errors import ConfigError
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.contract.stage import Backlog
from pipeline.contract.topology import STAGES, Stage
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Settings

# Time for the batch in hand, which takes under 30 s. A stop during a rebalance could otherwise hang for ever.
GRACE_SECONDS = 45.0
# Time for the clients to close. aiokafka may never close while it retries a failed fetch.
END_SECONDS = 10.0

log = logging.getLogger(__name__)


def stage_of(role: str) -> Stage:
    for stage in STAGES:
        if stage.name == role:
            return stage
    raise ConfigError(f"There is no role {role}", f"The roles are {', '.join(stage.name for stage in STAGES)}.")


def loop_of(
    stage: Stage,
    settings: Settings,
    metrics: Metrics,
    backlog: Callable[[], Backlog] = unknown_backlog,
    worked: Callable[[], None] = lambda: None,
) -> StageLoop:
    """Build the stage's loop on a new Faust app, ready to start.

    `backlog` returns the records that wait on the broker. A stage calls `worked` after each
    finished part of a long batch.
    """
    app = create_faust_app(settings, stage, metrics)
    work = work_of(stage, app, settings, metrics, worked)
    work.backlog = backlog
    loop = StageLoop(app, stage, work, settings, metrics, worked=worked)
    loop.attach()
    return loop


def work_of(stage: Stage, app: faust.App, settings: Settings, metrics: Metrics, worked: Callable[[], None]) -> Work:
    if stage.holds:
        return holding_work.build_holding_work(stage, app, settings, metrics)
    log = open_log(settings, metrics) if stage.reads_audio else None
    rules = follow_topic(settings, metrics) if stage.follows else None
    if rules:
        warn_unpaired(settings.kafka, rules.now())
    retention = kafka_topics.retention_seconds(stage.takes, settings.kafka)
    processor = build_processor(stage, settings, metrics, log, rules)
    processor.worked = worked
    return BatchWork(processor, retention)


def run_worker(role: str, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Then finish the batch in hand, commit, and exit.

    Waits while the broker or the database does not answer, and shows this in the metrics. Raises ConfigError if a topic
    is missing, or if its `max.message.bytes` is smaller than our largest record.
    """
    stage, metrics = stage_of(role), Metrics()
    dependencies = Dependencies(checks_of(stage, settings), metrics)
    health = Health(stage, settings, metrics, dependencies)
    with (
        serving(metrics, settings.metrics.host, settings.metrics.port, health.probes) as url,
        dependencies.watching(),
        health.watching(),
    ):
        # Faust reports "ready" and does nothing if a topic is missing.
        patiently(lambda: kafka_topics.require(settings.kafka, stage))
        loop = patiently(lambda: loop_of(stage, settings, metrics, health.backlog, health.worked))
        health.follow(loop.app)
        log.info("%s reads %s; metrics at %s", role, ", ".join(topic.name for topic in stage.takes), url)
        with (
            exchanging(settings) if stage.stores else nullcontext(),  # in deliver, because it has both store and broker
            working_ahead(loop, settings),
        ):
            run_loop(loop)


def checks_of(stage: Stage, settings: Settings) -> dict[str, DependencyCheck]:
    """Return the checks of the dependencies that the stage cannot work without."""
    checks: dict[str, DependencyCheck] = {"kafka": BrokerAnswers(settings.kafka)}
    if stage.stores:
        from pipeline.review import database  # loads SQLAlchemy, which most workers do not need
        from pipeline.review.evidence.evidence_store import evidence_checks

        checks["database"] = partial(database.check_answers, settings.database_url)
        checks |= evidence_checks(settings)
    return checks


def run_loop(loop: StageLoop) -> None:
    """Run the loop in Faust's worker, which handles signals. Raises SystemExit at the end."""
    loop.app.on_before_shutdown.connect(end_soon)
    try:
        worker_of(loop.app).execute_from_commandline()
    finally:
        loop.close()


def worker_of(app: faust.App) -> "EndingWorker":
    """Faust's worker without its spinner, which writes escape codes for a terminal into logs."""
    made = EndingWorker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    made.spinner = None
    return made


class EndingWorker(faust.Worker):
    """Faust's worker, with one change: if its shutdown hangs, the process ends anyway, after GRACE_SECONDS.

    Kafka then delivers the records that were not acknowledged again.
    """

    async def stop(self) -> None:
        end_within(GRACE_SECONDS, EXIT_UNFINISHED)
        await super().stop()


async def end_soon(*_: Any, **__: Any) -> None:
    """End the process even if its clients do not close. All work is done and committed at this point."""
    end_within(END_SECONDS, 0)


def end_within(seconds: float, code: int) -> None:
    timer = Timer(seconds, end_process, (code,))
    timer.daemon = True  # it must not keep alive a process that ends in time
    timer.start()
