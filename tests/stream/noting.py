"""A stage in place of judge that writes the rooms of each batch to a file: `python -m tests.stream.noting`."""

import json
import logging
import time
from collections.abc import Sequence

from agents.loop.faust_app import create_faust_app
from agents.loop.stage_loop import StageLoop
from agents.loop.work import BatchWork
from agents.loop.worker_process import run_loop
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, Transcript
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import JUDGE
from pipeline.settings import Settings, load
from tests.builders import flag

NOTES = "batches.jsonl"
SECONDS = 0.1
"""Seconds of a batch: longer than a record takes from the broker to the worker."""


class Noting(Processor[Transcript, Flag]):
    def __init__(self, settings: Settings) -> None:
        self._file = settings.data_dir / NOTES

    def process(self, batch: Sequence[Transcript]) -> list[Flag | Rejected]:
        with self._file.open("a") as notes:
            notes.write(json.dumps([transcript.room for transcript in batch]) + "\n")
        time.sleep(SECONDS)
        return [flag(transcript.id, room=transcript.room) for transcript in batch]


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    settings, metrics = load(), Metrics()
    app = create_faust_app(settings, JUDGE, metrics)
    runner = StageLoop(app, JUDGE, BatchWork(Noting(settings)), settings, metrics)
    runner.attach()
    run_loop(runner)


if __name__ == "__main__":
    main()
