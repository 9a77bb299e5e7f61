"""A new stage beside transcribe, added as a user would add it: an entry in STAGES, and a processor in its own file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.contract.messages import Flag, Utterance, derive_id
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import FLAGS, UTTERANCES, Stage

if TYPE_CHECKING:  # the settings are built from the topology, after this entry is added
    from pipeline.base.metrics import Metrics
    from pipeline.settings import Settings

TONE = Stage("tone", (UTTERANCES,), (FLAGS,), "tests.pipeline.tone:build", 8, 0.02)


class Tone(Processor[Utterance, Flag]):
    """Flags each utterance by its tone."""

    def process(self, batch: Sequence[Utterance]) -> list[Flag | Rejected]:
        return [_flag(utterance) for utterance in batch]


def _flag(utterance: Utterance) -> Flag:
    return Flag(
        id=derive_id("tone", utterance),
        utterance=utterance.id,
        transcript="",
        room=utterance.room,
        speaker=utterance.speaker,
        start=utterance.start,
        end=utterance.end,
        text="",
        language="und",
        confidence=1.0,
        suggestion="review",
        risk=0.9,
        labels={"sexual": 0.9},
        flagged=("sexual",),
        policy="tone@1",
        model="tone@1",
        address=utterance.address,
    )


def build(settings: "Settings", metrics: "Metrics") -> Tone:
    del settings, metrics
    return Tone()
