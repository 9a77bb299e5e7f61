"""Transcribes recorded lines as in production, in rooms and noise."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from pipeline import settings
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, Alternative, Transcript, Utterance
from pipeline.contract.stage import Processor
from pipeline.contract.topology import TRANSCRIBE
from pipeline.runner.stage_processor import build_processor
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from training.speech.recordings import Line, recording
from training.speech.surroundings import Surroundings, among, surroundings

HeardRow = dict[str, str]
"""A row of the TSV file that benchmarks/judge.py reads."""


def listener(language: str) -> Processor[Utterance, Transcript]:
    """The transcribe stage of the settings, without skipping. It is told the language, as a room tells it."""
    return build_processor(
        TRANSCRIBE, settings.load({"overload": {"enabled": False}, "asr": {"language": language}}), Metrics()
    )


def hear(
    listening: Processor[Utterance, Transcript], wanted: Iterable[Line], audio: Path, noise: Path
) -> Iterator[HeardRow]:
    """The transcript of each line, which is recorded in `audio`. Each has surroundings of its own, from `noise`."""
    left = iter(wanted)
    while batch := list(islice(left, TRANSCRIBE.batch)):
        around = [surroundings(line.text, noise) for line in batch]
        sound = [among(samples_of(recording(audio, line)), where) for line, where in zip(batch, around, strict=True)]
        transcripts = listening.process(
            [_utterance(line.id, samples) for line, samples in zip(batch, sound, strict=True)]
        )
        for line, where, found in zip(batch, around, transcripts, strict=True):
            if not isinstance(found, Transcript):
                raise found.error
            yield _row(line, where, found)


def write_table(rows: Iterable[HeardRow], path: Path) -> None:
    """Write rows as they come, so that an error loses no finished rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out: csv.DictWriter[str] | None = None
        for row in rows:
            if out is None:
                out = csv.DictWriter(file, row, delimiter="\t", lineterminator="\n")
                out.writeheader()
            out.writerow(row)
            file.flush()


def write_readings(rows: Iterable[HeardRow], path: Path) -> None:
    """Write each text, its transcript and the other readings, as training/classifier/noise.py reads them."""
    lines = ["\t".join([row["text"], *filter(None, _readings(row))]) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _readings(row: HeardRow) -> Iterator[str]:
    """The transcript's readings, likeliest first."""
    yield row["heard"]
    for other in msgspec.json.decode(row["alternatives"], type=list[Alternative]):
        yield other.text


def _utterance(name: str, samples: Samples) -> Utterance:
    seconds = len(samples) / SAMPLE_RATE
    return Utterance(room=name, speaker="voice", start=0.0, end=seconds, id=name, data=encode_flac(samples))


def _row(line: Line, around: Surroundings, found: Transcript) -> HeardRow:
    return {
        "id": line.id,
        **line._asdict(),
        "heard": found.text.strip(),
        "confidence": f"{found.confidence:.4f}",
        "alternatives": msgspec.json.encode(
            [{"text": other.text.strip(), "score": round(other.score, 4)} for other in found.alternatives]
        ).decode(),
        "voice": line.voice,
        "surroundings": around.kind,
        "room": around.room.stem if around.room else "",
        "noise": around.noise.stem if around.noise else "",
        "snr": f"{around.snr:.1f}" if around.noise else "",
        "model": found.model,
    }
