"""A judge that hangs at the word "hang", in a worker with probes: `python -m tests.stream.stalled`."""

import logging
import time
from collections.abc import Sequence

from agents.loop import health as loop_health
from agents.loop.faust_app import create_faust_app
from agents.loop.health import Health
from agents.loop.stage_loop import StageLoop
from agents.loop.work import BatchWork
from agents.loop.worker_process import run_loop
from pipeline.base.dependencies import Dependencies
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.contract.messages import Flag, Transcript
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import JUDGE
from pipeline.settings import load
from tests.builders import flag


class Stalling(Processor[Transcript, Flag]):
    def process(self, batch: Sequence[Transcript]) -> list[Flag | Rejected]:
        if any(transcript.text == "hang" for transcript in batch):
            time.sleep(600)
        return [flag(transcript.id, suggestion="pass") for transcript in batch]


def main() -> None:
    loop_health.STALL_SECONDS = 3.0
    logging.basicConfig(level=logging.WARNING)
    settings, metrics = load(), Metrics()
    health = Health(JUDGE, settings, metrics, Dependencies({}, metrics))
    with serving(metrics, settings.metrics.host, settings.metrics.port, health.probes), health.watching():
        app = create_faust_app(settings, JUDGE, metrics)
        runner = StageLoop(app, JUDGE, BatchWork(Stalling()), settings, metrics)
        runner.attach()
        health.follow(app)
        run_loop(runner)


if __name__ == "__main__":
    main()
