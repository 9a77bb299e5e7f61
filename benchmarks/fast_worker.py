"""A production worker of one role, but with instant fakes for Whisper and the classifier.

    python -m benchmarks.fast_worker ROLE [BATCH [MS]]

MS: an utterance takes this many milliseconds, without any CPU of this machine, as on a GPU.

chaos.py and stream.py measure the data path with it. Everything else, including lexicon and policy, is real.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

from agents.loop.worker_process import run_worker
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Transcript, Utterance
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import STAGES
from pipeline.judge.judge_stage import Judge, Rules, read_config
from pipeline.settings import Settings, load
from pipeline.speech.asr.transcripts import transcript_of


class Instant(Processor[Utterance, Transcript]):
    """Transcribes every utterance as a threat, so that each must become a case."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        if self._seconds:  # even a sleep of 0 s costs as much as handling a message
            time.sleep(self._seconds * len(batch))
        return [transcript(utterance) for utterance in batch]


class Careless:
    """A classifier that finds nothing, so the lexicon decides."""

    name = "careless@1"
    labels: tuple[str, ...] = ("violence",)
    context = False

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        del languages
        return [{"violence": 0.1, "risk": 0.1} for _ in texts]


def transcript(utterance: Utterance) -> Transcript:
    return transcript_of(utterance, text="i am going to kill you", language="en", confidence=0.9, model="instant")


def careless(settings: Settings, metrics: Metrics, rules: Rules | None) -> Judge:
    return Judge(rules or read_config(settings.judge), Careless(), metrics)


def main(role: str, batch: str = "", ms: str = "0") -> None:
    stages = [replace(each, batch=int(batch)) if batch and each.name == role else each for each in STAGES]
    with (
        patch("agents.loop.worker_process.STAGES", stages),
        patch("pipeline.speech.asr.transcribe_stage.build", lambda *_: Instant(float(ms) / 1000)),
        patch("pipeline.judge.judge_stage.build", careless),
    ):
        run_worker(role, load())


if __name__ == "__main__":
    main(*sys.argv[1:])
