"""Measure how much is heard of utterances that change their language, and what it costs talk in one language.

    python -m benchmarks.mixed --clips DIR [--pairs N] [--repeat N]
    python -m benchmarks.mixed --clips DIR --alone
    python -m benchmarks.mixed --drill

benchmarks/clips.py describes `DIR`. Each pair is an English and a Mandarin clip of 1.2 to 5 s, equally loud, joined in
both orders with a pause of 0.2 s. A half is heard if at least half of its words or characters are in the text, in
order. For the cost, each clip of 2.5 to 12 s is transcribed with and without the search for a change, in turn.

With `--alone`, each clip is the first that is heard of its speaker, without the memory of the room. The folder may have
any languages. It counts the clips that get a text, and those that are found to be in another language.

With `--drill`, each risky sentence of the shipped drills is moderated alone, and in one breath with a harmless one of
the other language. It counts the sentences that are flagged.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import cycle
from pathlib import Path

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks import report
from benchmarks.clips import Reference, references
from pipeline.assessment.drill_speech import DrillLine, book, lines_of, shipped
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.judge.labels import load_labels
from pipeline.judge.moderation_policy import load_policy
from pipeline.runner.moderator import Moderator
from pipeline.settings import Asr, load
from pipeline.speech.asr.recogniser import MAX_SAMPLES, Clip, Recogniser, Samples, load_recogniser, most_likely
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.vad import triage
from tests.odd.recordings import wav
from training.speech.words import normalisers

LANGUAGES = frozenset({"en", "zh"})
JOINED, ALONE = (1.2, 5.0), (2.5, 12.0)
"""Seconds of clips."""
PAUSE = np.zeros(SAMPLE_RATE // 5, np.float32)
LOUDNESS = 0.05
"""Root mean square of each clip."""
HEARD = 0.5


def main() -> None:
    parser = report.parser(__doc__)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--clips", type=Path)
    asked.add_argument("--drill", action="store_true", help="count the sentences of drills that are flagged")
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=3, help="turns with and without the search")
    parser.add_argument("--alone", action="store_true", help="count the clips that get a text, by language")
    options = parser.parse_args()
    if options.drill:
        report.show(flagged())
        return
    recogniser = load_recogniser(Asr())
    if options.alone:
        report.show(texts(options.clips, recogniser))
        return
    report.show(halves(options, recogniser), cost(options, recogniser))


def halves(options: argparse.Namespace, recogniser: Recogniser) -> Table:
    english, mandarin = (chosen(options, language, JOINED) for language in ("en", "zh"))
    pairs = [*zip(english, mandarin, strict=False)]
    table = Table("order", "joins", "first half heard", "second half heard", "both", title="Joins of two languages")
    for name, step in (("English, Mandarin", 1), ("Mandarin, English", -1)):
        found = np.array([_heard(recogniser, options.clips, pair[::step]) for pair in track(pairs, name)])
        first, second = found.sum(axis=0)
        table.add_row(name, f"{len(found)}", f"{first}", f"{second}", f"{found.all(axis=1).sum()}")
    return table


def _heard(recogniser: Recogniser, folder: Path, refs: Sequence[Reference]) -> list[bool]:
    """Whether each of the two clips is heard in their join."""
    first, second = (even(samples_of(folder / ref.file)) for ref in refs)
    (found,) = recogniser.transcribe([Clip(np.concatenate([first, PAUSE, second]), only=LANGUAGES)])
    return [share(ref, found.text) >= HEARD for ref in refs]


def texts(folder: Path, recogniser: Recogniser) -> Table:
    counted = {name: Counter[str]() for name in ("clips", "text", "dropped")}
    for ref in track(references(folder), "alone"):
        samples = samples_of(folder / ref.file)[:MAX_SAMPLES]
        found = triage(samples)
        if found.reason:
            continue
        (heard,) = recogniser.transcribe([Clip(samples, choose=_asked, only=LANGUAGES, voice=found.voice)])
        counted["clips"][ref.language] += 1
        counted["text"][ref.language] += bool(heard.text)
        counted["dropped"][ref.language] += heard.language not in LANGUAGES
    table = Table("language", "clips with a voice", "with a text", "in another language", title="Clips alone")
    for language in sorted(counted["clips"]):
        table.add_row(language, *(f"{each[language]}" for each in counted.values()))
    return table


def _asked(probabilities: Mapping[str, float]) -> str:
    return most_likely(probabilities, LANGUAGES)


def flagged() -> Table:
    table = Table("sentences", "number", "alone", "before the other language", "after it", title="Sentences flagged")
    moderator, lines = Moderator(), drill_lines()
    for language, other in (("en", "zh"), ("zh", "en")):
        clean = [line for line in lines if line.language == other and not line.label]
        for name, risky in (("risky", True), ("clean", False)):
            said = [line for line in lines if line.language == language and bool(line.label) is risky]
            pairs = [*zip(said, cycle(clean), strict=False)]
            turns = ([(one,) for one in said], pairs, [pair[::-1] for pair in pairs])
            counts = [
                sum(_is_flagged(moderator, each) for each in track(turn, f"{language}, {name}")) for turn in turns
            ]
            table.add_row(f"{language}, {name}", *map(str, (len(said), *counts)))
    return table


def drill_lines() -> list[DrillLine]:
    """The shipped sentences of the labels that the policy turns on."""
    settings, shipped_book = load(), book()
    policy = load_policy(settings.judge.policy, load_labels(settings.judge.labels))
    return lines_of(shipped_book, {each: policy.resolved("default", each).labels for each in shipped_book.lines})


def _is_flagged(moderator: Moderator, spoken: Sequence[DrillLine]) -> bool:
    sounds = [even(without_silence(sound)) for line in spoken if (sound := shipped(line)) is not None]
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(wav(np.concatenate([part for sound in sounds for part in (PAUSE, sound)])))
        file.flush()
        return moderator.file(file.name).suggestion in {"review", "block"}


def cost(options: argparse.Namespace, recogniser: Recogniser) -> Table:
    table = Table("language", "clips", "time with the search, of that without", title="Talk in one language")
    for language in sorted(LANGUAGES):
        samples = [samples_of(options.clips / ref.file) for ref in chosen(options, language, ALONE)]
        ratios = []
        for _ in range(options.repeat):
            searched, plain = (_took(recogniser, samples, language, only) for only in (LANGUAGES, {language}))
            ratios.append(searched / plain)
        spread = f"{np.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})"
        table.add_row(language, f"{len(samples)}", spread)
    return table


def _took(recogniser: Recogniser, samples: Sequence[Samples], language: str, only: Collection[str]) -> float:
    """Seconds for the clips. With one language in `only`, no change can be found."""
    clips = [Clip(each, choose=lambda _: language, only=frozenset(only)) for each in samples]
    start = time.perf_counter()
    recogniser.transcribe(clips)
    return time.perf_counter() - start


def chosen(options: argparse.Namespace, language: str, seconds: tuple[float, float]) -> list[Reference]:
    """At most `options.pairs` clips of these lengths, spread over the folder."""
    refs = [ref for ref in references(options.clips) if ref.language == language]
    fitting = [ref for ref in refs if seconds[0] <= ref.seconds < seconds[1] and any(_words(ref, ref.text))]
    return fitting[:: max(1, len(fitting) // options.pairs)][: options.pairs]


def even(samples: Samples) -> Samples:
    loudness = float(np.sqrt(np.mean(np.square(samples)))) or 1.0
    return (samples * (LOUDNESS / loudness)).astype(np.float32)


def without_silence(samples: Samples) -> Samples:
    """Take the silence off both ends. Else the pause between two sentences would end the utterance."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() / 50)
    return samples[loud[0] : loud[-1] + 1]


def share(ref: Reference, text: str) -> float:
    """Share of the words or characters of `ref` that are in `text`, in order."""
    wanted, found = [*_words(ref, ref.text)], [*_words(ref, text)]
    blocks = SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(wanted)


def _words(ref: Reference, text: str) -> Iterator[str]:
    yield from normalisers()[ref.language](text).split()


if __name__ == "__main__":
    main()
