"""A stage in place of judge, with each fault that a stage can have: `python -m tests.stream.faulty`.

The text of a transcript selects the fault. A fault that must happen only once leaves a file in the data folder.
"""

import logging
import time
from collections.abc import Sequence

from agents.loop import faust_app
from agents.loop.faust_app import create_faust_app
from agents.loop.stage_loop import StageLoop
from agents.loop.work import BatchWork
from agents.loop.worker_process import run_loop
from pipeline.base.errors import BadMessage, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, Transcript
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import JUDGE
from pipeline.settings import Settings, load
from tests.builders import flag

HUGE = "x" * 1_200_000


class Faulty(Processor[Transcript, Flag]):
    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir

    def process(self, batch: Sequence[Transcript]) -> list[Flag | Rejected]:
        return [self._judge(transcript) for transcript in batch]

    def _judge(self, transcript: Transcript) -> Flag | Rejected:
        match transcript.text:
            case "reject":
                return Rejected(transcript, BadMessage("Not to be judged"))
            case "crash" if self._first_time("crash"):
                raise RuntimeError("a bug that shows once")
            case "outage" if self._first_time("outage"):
                raise DependencyError("The store does not answer")
            case "slow":
                time.sleep(0.02)
            case "hold":
                (self._folder / "holds").touch()
                while not (self._folder / "goes on").exists():
                    time.sleep(0.05)
        made = flag(f"flag-{transcript.start:.0f}")
        return make_huge(made) if transcript.text == "huge" else made

    def _first_time(self, name: str) -> bool:
        marker = self._folder / name
        if marker.exists():
            return False
        marker.touch()
        return True


def make_huge(made: Flag) -> Flag:
    import msgspec

    return msgspec.structs.replace(made, text=HUGE)


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    settings, metrics = load(), Metrics()
    if (settings.data_dir / "impatient").exists():
        faust_app.PRODUCER_SECONDS = 4.0
    app = create_faust_app(settings, JUDGE, metrics)
    runner = StageLoop(app, JUDGE, BatchWork(Faulty(settings)), settings, metrics)
    runner.attach()
    run_loop(runner)


if __name__ == "__main__":
    main()
