"""Make the as-heard set: synthesised sentences of spoken.yaml, transcribed as in production.

    python -m training.speech.transcribed --audio DIR --noise DIR [--voices COMMAND] [--out DIR]

`--audio` holds a recording ID.flac of each sentence. COMMAND makes the missing ones: a shell command that reads lines
of file, language, voice and text, separated by tabs, and writes each file. The voices are those of Kokoro-82M, and
`joe` of Piper. The project does not depend on the synthesiser. `--noise` holds room impulse responses, `rirs_*`, and
noises, `noise_*`. Two sentences in five are transcribed in a room, in noise or in both. A hash of the sentence selects
voice and surroundings, so a new sentence changes no other. The recogniser is that of the settings, for example
VOXWARDEN_ASR__MODEL=base. It is told the language, because in production it knows the language of a room.

Writes a TSV file for each language, which benchmarks/judge.py reads with `--heard`, and prints error rates. `--rates`
prints the rates of existing files.
"""

import argparse
import csv
import hashlib
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import jiwer
import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline import settings
from pipeline.base.errors import ConfigError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, Transcript, Utterance
from pipeline.contract.stage import Processor
from pipeline.contract.topology import TRANSCRIBE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from training.commands import errors_in_a_line, notes
from training.speech.words import normalisers

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPOKEN = BENCHMARKS / "spoken.yaml"
TRANSCRIBED = BENCHMARKS / "heard"
VOICES = {
    "en": """
        af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam
        am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily
        bm_daniel bm_fable bm_george bm_lewis joe joe joe joe
    """,
    "zh": "zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang",
}
"""Voices by language. A voice that is listed more than once is selected more often."""
SURROUNDINGS = {"quiet": 12, "room": 2, "noise": 3, "room and noise": 3}
"""How often each kind is drawn, out of twenty."""
SNR = (5.0, 20.0)
"""Signal-to-noise ratio in decibels."""
SILENCE = 1e-12
"""Samples with less power than this are not amplified."""

TranscribedRow = dict[str, str]
"""A row of the TSV file."""


class Surroundings(NamedTuple):
    """The room and the noise between a speaker and the recogniser."""

    kind: str
    room: Path | None
    """A room impulse response."""
    noise: Path | None
    snr: float
    """Decibels."""
    at: float
    """Where the noise starts, as a share of its length."""


class Sentence(NamedTuple):
    language: str
    label: str
    text: str

    @property
    def id(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def voice(self) -> str:
        return Random(self.text).choice(VOICES[self.language].split())


def sentences() -> list[Sentence]:
    tree = msgspec.yaml.decode(SPOKEN.read_bytes(), type=dict[str, dict[str, str]])
    return [
        Sentence(language, label, line)
        for language, labels in tree.items()
        for label, lines in labels.items()
        for line in lines.splitlines()
    ]


def surroundings(sentence: Sentence, folder: Path) -> Surroundings:
    """The surroundings of the sentence, always the same; raises ConfigError if the folder has none."""
    rooms, noises = sorted(folder.glob("rirs_*")), sorted(folder.glob("noise_*"))
    if not rooms or not noises:
        raise ConfigError(f"--noise: no rirs_* or no noise_* in {folder}", "Name a folder that has both.")
    random = Random(f"around: {sentence.text}")
    (kind,) = random.choices([*SURROUNDINGS], [*SURROUNDINGS.values()])
    room, noise, snr, at = random.choice(rooms), random.choice(noises), random.uniform(*SNR), random.random()
    return Surroundings(kind, room if "room" in kind else None, noise if "noise" in kind else None, snr, at)


def speak(wanted: Sequence[Sentence], audio: Path, command: str | None) -> None:
    """Let `command` make the recordings that `audio` lacks; raises ConfigError if some are still missing."""
    if command and (missing := _missing(wanted, audio)):
        audio.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{recording(audio, s)}\t{s.language}\t{s.voice}\t{s.text}\n" for s in missing)
        status = subprocess.run(command, shell=True, input=lines, text=True, check=False).returncode  # noqa: S602
        if status:
            raise ConfigError(f"--voices: the command ended with status {status}", "See the command's own messages.")
    if missing := _missing(wanted, audio):
        raise ConfigError(
            f"--audio: {len(missing)} of {len(wanted)} recordings are not in {audio}, e.g. {missing[0].id}.flac",
            "Name a command that makes them with --voices.",
        )


def _missing(wanted: Sequence[Sentence], audio: Path) -> list[Sentence]:
    return [sentence for sentence in wanted if not recording(audio, sentence).exists()]


def recording(audio: Path, sentence: Sentence) -> Path:
    return audio / f"{sentence.id}.flac"


def among(samples: Samples, around: Surroundings) -> Samples:
    """The speech as a microphone there records it, shape (samples,), limited to full scale."""
    if around.room:
        samples = reverberated(samples, samples_of(around.room))
    if around.noise:
        noise = samples_of(around.noise)
        samples = noisy(samples, np.roll(noise, -int(around.at * len(noise))), around.snr)
    return _times(samples, 1 / max(1.0, float(np.abs(samples).max())))


def reverberated(samples: Samples, impulse: Samples) -> Samples:
    """`samples` in the room of `impulse`, with the same loudness, length and position of the direct sound."""
    size = len(samples) + len(impulse) - 1
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(impulse, size), size)
    direct = int(np.abs(impulse).argmax())
    kept = wet[direct : direct + len(samples)].astype(np.float32)
    return _times(kept, sqrt(_power(samples) / max(_power(kept), SILENCE)))


def noisy(samples: Samples, noise: Samples, snr: float) -> Samples:
    """`samples` plus `noise`, which is repeated as needed and `snr` dB quieter on average."""
    under = np.resize(noise, len(samples))
    return samples + _times(under, sqrt(_power(samples) / max(_power(under), SILENCE) / 10 ** (snr / 10)))


def _times(samples: Samples, factor: float) -> Samples:
    return samples * np.float32(factor)


def _power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def listener(overrides: dict[str, Any]) -> Processor[Utterance, Transcript]:
    """The transcribe stage, without skipping."""
    return TRANSCRIBE.processor(settings.load({"overload": {"enabled": False}, "asr": overrides}), Metrics())


def hear(
    listening: Processor[Utterance, Transcript], wanted: Iterable[Sentence], audio: Path, noise: Path
) -> Iterator[TranscribedRow]:
    """The transcript of each sentence. Each sentence has a room of its own."""
    left = iter(wanted)
    while batch := list(islice(left, TRANSCRIBE.batch)):
        around = [surroundings(sentence, noise) for sentence in batch]
        sound = [among(samples_of(recording(audio, s)), where) for s, where in zip(batch, around, strict=True)]
        transcripts = listening.process([_utterance(s.id, samples) for s, samples in zip(batch, sound, strict=True)])
        for sentence, where, found in zip(batch, around, transcripts, strict=True):
            if not isinstance(found, Transcript):
                raise found.error
            yield _row(sentence, where, found)


def _utterance(name: str, samples: Samples) -> Utterance:
    seconds = len(samples) / SAMPLE_RATE
    return Utterance(room=name, speaker="voice", start=0.0, end=seconds, id=name, data=encode_flac(samples))


def _row(sentence: Sentence, around: Surroundings, found: Transcript) -> TranscribedRow:
    return {
        "id": sentence.id,
        **sentence._asdict(),
        "heard": found.text.strip(),
        "confidence": f"{found.confidence:.4f}",
        "alternatives": msgspec.json.encode(
            [{"text": other.text.strip(), "score": round(other.score, 4)} for other in found.alternatives]
        ).decode(),
        "voice": sentence.voice,
        "surroundings": around.kind,
        "room": around.room.stem if around.room else "",
        "noise": around.noise.stem if around.noise else "",
        "snr": f"{around.snr:.1f}" if around.noise else "",
        "model": found.model,
    }


def write(rows: Iterable[TranscribedRow], path: Path) -> None:
    """Writes rows as they come, so that an error loses no finished rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        out: csv.DictWriter[str] | None = None
        for row in rows:
            if out is None:
                out = csv.DictWriter(file, row, delimiter="\t", lineterminator="\n")
                out.writeheader()
            out.writerow(row)
            file.flush()


def rates(folder: Path) -> Table:
    """Error rates by surroundings: words for English, characters for Mandarin."""
    normalise = normalisers()
    table = Table("language", "surroundings", "risky", "clean", "errors %", title="As heard")
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [*csv.DictReader(file, delimiter="\t")]
        for kind in (*SURROUNDINGS, "all"):
            part = [row for row in rows if kind in {row["surroundings"], "all"}]
            if part:
                plain = normalise[part[0]["language"]]
                texts, transcripts = ([plain(row[column]) for row in part] for column in ("text", "heard"))
                clean = sum(row["label"] == "clean" for row in part)
                error = f"{100 * jiwer.wer(texts, transcripts):.1f}"
                table.add_row(path.stem, kind, str(len(part) - clean), str(clean), error)
    return table


def main() -> None:
    options = arguments()
    with errors_in_a_line():
        if not options.rates:
            make(options)
        Console().print(rates(options.out))


def make(options: argparse.Namespace) -> None:
    wanted = sentences()
    speak(wanted, options.audio, options.voices)
    for language in sorted(VOICES):
        ours = [sentence for sentence in wanted if sentence.language == language]
        found = hear(listener({"language": language}), ours, options.audio, options.noise)
        write(track(found, language, len(ours), console=notes), options.out / f"{language}.tsv")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, help="recordings of the sentences")
    parser.add_argument("--noise", type=Path, help="room impulse responses and noises")
    parser.add_argument("--voices", help="shell command that makes missing recordings")
    parser.add_argument("--out", type=Path, default=TRANSCRIBED, help="folder of the TSV files")
    parser.add_argument("--rates", action="store_true", help="only print the error rates of existing files")
    options = parser.parse_args()
    if not options.rates and not (options.audio and options.noise):
        parser.error("--audio and --noise are required without --rates")
    return options


if __name__ == "__main__":
    main()
