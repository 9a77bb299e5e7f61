"""Measure how the model of ordinary talk ranks the readings of people's Mandarin: the best weight, and its gain.

    python -m benchmarks.ranking --clips DIR [--without SOURCE ...] [--limit N] [--readings FILE] [--weights 0 0.2 0.4]

`DIR` is as for benchmarks/people.py. The recogniser, without its adapter, decodes each clip once; FILE keeps its
readings, and the next run takes them from there. For each weight and split the table gives the share of wrong
characters, and the difference from weight 0 with its 95% interval (bootstrap over clips). `best` would choose the
reading with the fewest errors. Choose the weight on one split, and read the gain on the other.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.people import PersonClip, batches, clips, errors, interval, rate
from pipeline.settings import Asr
from pipeline.speech import languages
from pipeline.speech.asr import talk_model, whisper_weights
from pipeline.speech.asr.ctranslate2_engine import network_of
from pipeline.speech.asr.hypothesis import Hypothesis
from pipeline.speech.asr.recogniser import MAX_SAMPLES, Clip
from pipeline.speech.asr.whisper_recogniser import WhisperRecogniser
from pipeline.speech.audio.decode import samples_of
from training.speech.words import characters

LANGUAGE = "zh"
SPLITS = ("dev", "train")


class ClipReadings(msgspec.Struct, frozen=True):
    """The readings of one clip: text, tokens and mean log-probability of each."""

    file: str
    split: str
    reference: str
    readings: list[tuple[str, int, float]]
    seconds: float


Choose = Callable[[Hypothesis], float]


class KeepingEngine(WhisperRecogniser):
    """Keeps all hypotheses of each clip."""

    def tried(self, sound: Sequence[Clip]) -> list[list[Hypothesis]]:
        self._tried: list[list[Hypothesis]] = []
        self.transcribe(sound)
        return self._tried

    def _recognition(self, sound, *, words):  # type: ignore[no-untyped-def]
        self._tried.append(sound.tried)
        return super()._recognition(sound, words=words)


def hear(found: Sequence[PersonClip], split: str) -> Iterator[ClipReadings]:
    asr = Asr(language=LANGUAGE, adapters=False)
    engine = KeepingEngine(network_of(asr, whisper_weights.find_weights(asr)), "benchmark", asr.batch)
    for batch in track([*batches(found)], split, console=Console(stderr=True)):
        sound = [Clip(samples_of(clip.file)[:MAX_SAMPLES], LANGUAGE) for clip in batch]
        for clip, hypotheses_of in zip(batch, engine.tried(sound), strict=True):
            read = [(one.text, len(one.tokens), one.avg_logprob) for one in hypotheses_of]
            yield ClipReadings(clip.file.name, split, clip.reference, read, hypotheses_of[0].seconds)


def hypotheses(clip: ClipReadings) -> list[Hypothesis]:
    return [
        Hypothesis(LANGUAGE, (0,) * tokens, text, score, 0.0, clip.seconds) for text, tokens, score in clip.readings
    ]


def weighted(weight: float) -> Choose:
    """The plausibility of a reading with another weight of the model."""
    now = languages.read_language(LANGUAGE).recogniser.talk_weight
    return lambda one: one.plausibility + (weight - now) * talk_model.fluency(one.text, LANGUAGE)


def chosen(found: Sequence[ClipReadings], choose: Choose) -> list[str]:
    return [min(hypotheses(clip), key=lambda one: (one.faults, -choose(one))).text for clip in found]


def best(found: Sequence[ClipReadings]) -> list[str]:
    """The reading of each clip with the fewest errors."""
    return [
        min((text for text, _, _ in clip.readings), key=lambda text: errors([clip.reference], [text], characters)[0, 0])
        for clip in found
    ]


def table(split: str, found: Sequence[ClipReadings], tried: Sequence[float]) -> Table:
    made = Table("weight", "wrong characters %", "difference", "95% interval", title=f"{split}: {len(found)} clips")
    references = [clip.reference for clip in found]
    texts = {f"{weight:g}": chosen(found, weighted(weight)) for weight in (0.0, *tried)} | {"best": best(found)}
    wrong = {name: errors(references, each, characters) for name, each in texts.items()}
    before = wrong["0"]
    for name, after in wrong.items():
        low, high = interval(before, after)
        made.add_row(name, f"{rate(after):.2f}", f"{rate(after) - rate(before):+.2f}", f"{low:+.2f} to {high:+.2f}")
    return made


def kept(options: argparse.Namespace) -> list[ClipReadings]:
    """The readings in the file; if there is none, those of the clips."""
    if options.readings and options.readings.exists():
        return msgspec.json.decode(options.readings.read_bytes(), type=list[ClipReadings])
    found = [
        each for split in SPLITS for each in hear(clips(options.clips, options.without, split)[: options.limit], split)
    ]
    if options.readings:
        options.readings.write_bytes(msgspec.json.encode(found))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], metavar="SOURCE", help="sources to leave out")
    parser.add_argument("--limit", type=int, help="only the first N clips of a split")
    parser.add_argument("--readings", type=Path, metavar="FILE", help="keep the readings, or rank those kept")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.4, 0.6])
    options = parser.parse_args()
    found = kept(options)
    for split in SPLITS:
        if part := [clip for clip in found if clip.split == split]:
            Console(width=120).print(table(split, part, options.weights))


if __name__ == "__main__":
    main()
