"""Everything in one process: the gateway, all stages on bounded queues, the review store, and the metrics."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from agents.gateway import Gateway
from pipeline.base.libraries import importing
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import Starting, serving
from pipeline.base.private_files import sole_user
from pipeline.base.stopping import stop_on_signals
from pipeline.contract.messages import Flag
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import DEAD_LETTERS, Stage
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.policies.judge_rules import follow_store
from pipeline.runner.dead_letter_file import DeadLetterFile, dead_letter_path
from pipeline.runner.local import LocalRunner
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.connect.api.api_server import ServedApi
    from pipeline.console.console_app import Serving

log = logging.getLogger(__name__)


class Host(Protocol):
    """Receives what happens: the start, and each flag."""

    def started(
        self, gateway: Gateway, metrics_url: str, console: "Serving | None", api: "ServedApi | None"
    ) -> None: ...

    def judged(self, flag: Flag) -> None: ...


async def run_one_machine(
    settings: Settings, host: Host, stop: asyncio.Event | None = None, *, with_api: bool = False
) -> None:
    """Take audio until SIGTERM, SIGINT or `stop`. Then close the connections and process the received audio.

    Raises ConfigError if another process uses the data folder.
    """
    stop = stop or stop_on_signals()
    metrics, starting = Metrics(), Starting()
    with (
        sole_user(settings.data_dir),
        serving(metrics, settings.metrics.host, settings.metrics.port, starting.probes) as url,
    ):
        follow = partial(follow_store, settings, metrics)
        tap = partial(
            _report, DeadLetterFile(dead_letter_path(settings), settings.kafka.retention_seconds(DEAD_LETTERS)), host
        )
        # They end in reverse order: the gateway closes its connections, and then the runner finishes their audio.
        async with (
            LocalRunner(settings, metrics, tap, lookback=open_lookback(settings), rules=follow) as runner,
            Gateway(settings.gateway, metrics, runner.put) as gateway,
            _console(settings, metrics) as console,
            _api(settings, with_api) as api,
        ):
            starting.done = True
            host.started(gateway, url, console, api)
            await stop.wait()
            log.info("stopping: accepts no new audio and finishes all audio in hand")


def _report(
    dead_letters: DeadLetterFile, host: Host, stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]
) -> None:
    del batch
    for output in outputs:
        if isinstance(output, Rejected):
            dead_letters.add(stage.name, output)
        elif isinstance(output, Flag) and not output.early:  # the flag of the whole utterance follows
            host.judged(output)


@asynccontextmanager
async def _console(settings: Settings, metrics: Metrics) -> "AsyncIterator[Serving | None]":
    """Serve the moderators' console if its libraries are installed."""
    try:
        from pipeline.console.console_app import serving
    except ModuleNotFoundError:
        yield None
        return
    async with serving(settings, metrics) as found:
        yield found


@asynccontextmanager
async def _api(settings: Settings, wanted: bool) -> "AsyncIterator[ServedApi | None]":
    """Serve the API for programs if it is wanted. It uses the models that the stages have loaded."""
    if not wanted:
        yield None
        return
    with importing("console"):
        from pipeline.connect.api.api_server import serve_api
    async with serve_api(settings, beside_live=True) as found:
        yield found
