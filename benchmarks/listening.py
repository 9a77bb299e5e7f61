"""Measure what the stage listen costs: each ear, for speech, for the noise of a room, loud and faint, and for silence.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.listening [--speakers 4] [--seconds 30] [--bank 1000] [--repeats 3]
        [--yamnet FILE]

Speakers send audio in chunks of 0.1 s, all at the same time, and the stage takes each moment as a batch. Speech is the
clips of tests/data without pauses, most of them of one voice. Noise is that of a room, at -50 and -70 dB of full scale.
Silence is digital. The first 15 seconds do not count: a voice must be known first.

The values are milliseconds of one core (process time) for a second of one speaker: the least of the repeats, which run
in turn, so that other work on the machine disturbs all ears alike. The first row is what all ears share: order,
decoding, the audio that is kept for clips, and dead air. The other rows are without it, but for the last one.

`--opus` sends Opus packets of 20 ms in place of PCM.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.opus_client import opus_packets
from benchmarks.rooms import ban, every_sound, made_bank
from benchmarks.speech import clips
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import OF_YAMNET, SAMPLE_RATE, AudioChunk, EventKind
from pipeline.contract.topology import LISTEN
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import ListenSettings, Settings
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.stream_codecs import join_packets

START = 1_790_000_000
"""UTC seconds at which all speakers begin."""
CHUNK_SECONDS = 0.1
WARM_SECONDS = 15
"""Not counted."""
PACKETS = 5
"""Opus packets of a chunk."""
LOUD, FAINT = -50, -70
"""Decibels of full scale of the noise of a room."""
SEED = 31
SHARED: tuple[EventKind, ...] = ("dead_air",)
BANK, YAMNET, ALL = "bank", "YAMNet", "all"
EARS: tuple[EventKind, ...] = ("voice_change", "howl", "clipping", "loudness", "music")

Batch = list[AudioChunk]


def speech(speaker: int, size: int) -> Samples:
    turned = np.concatenate([*clips()[speaker % len(clips()) :], *clips()[: speaker % len(clips())]])
    found: Samples = np.resize(turned, size)
    return found


def noise(level: float, speaker: int, size: int) -> Samples:
    """Most of its power is low, as that of fans and traffic."""
    white = np.random.default_rng(speaker).normal(size=size)
    spectrum = np.fft.rfft(white) / np.sqrt(1 + np.arange(size // 2 + 1) / size * SAMPLE_RATE / 200)
    low = np.fft.irfft(spectrum, size)
    found: Samples = (low * 10 ** (level / 20) / np.sqrt(np.square(low).mean())).astype(np.float32)
    return found


def silence(speaker: int, size: int) -> Samples:
    del speaker
    return np.zeros(size, np.float32)


SCENES: Mapping[str, Callable[[int, int], Samples]] = {
    "speech": speech,
    "noise": partial(noise, LOUD),
    "faint noise": partial(noise, FAINT),
    "silence": silence,
}


def batches(sounds: Sequence[Samples], opus: bool) -> list[Batch]:
    """The chunks of all speakers, moment by moment."""
    lines = [[*chunks(number, sound, opus)] for number, sound in enumerate(sounds)]
    return [[*batch] for batch in zip(*lines, strict=True)]


def chunks(speaker: int, sound: Samples, opus: bool) -> Iterator[AudioChunk]:
    pieces = np.split(sound, range(round(CHUNK_SECONDS * SAMPLE_RATE), sound.size, round(CHUNK_SECONDS * SAMPLE_RATE)))
    packets = opus_packets(sound) if opus else []
    for number, piece in enumerate(pieces):
        data = join_packets(packets[number * PACKETS : (number + 1) * PACKETS]) if opus else to_pcm16(piece)
        yield AudioChunk(
            room=f"room-{speaker}",
            speaker="a",
            start=START + number * CHUNK_SECONDS,
            sequence=number,
            data=data,
            codec="opus_packets" if opus else "pcm_s16le",
            sample_rate=48_000 if opus else SAMPLE_RATE,
        )


def spent(settings: Settings, sent: Sequence[Batch]) -> float:
    """CPU seconds in which a stage with these settings takes the batches, but for the first ones."""
    with closing(build_processor(LISTEN, settings, Metrics())) as stage:
        warm = round(WARM_SECONDS / CHUNK_SECONDS)
        for batch in sent[:warm]:
            stage.process(batch)
        began = time.process_time()
        for batch in sent[warm:]:
            stage.process(batch)
        return time.process_time() - began


def stored(folder: Path, banned: Sequence[Fingerprint]) -> Path:
    """A new data folder whose store has this bank."""
    folder.mkdir()
    ban(Settings(data_dir=folder).database_url, banned)
    return folder


def setups(folder: Path, banned: Sequence[Fingerprint], yamnet: Path | None) -> Mapping[str, Settings]:
    """The settings of each row of the table. Their stores are in `folder`."""
    empty, full = stored(folder / "empty", ()), stored(folder / "full", banned)
    shared = ListenSettings(sounds=SHARED)
    ears = {ear: (*SHARED, ear) for ear in EARS} | ({YAMNET: (*SHARED, *OF_YAMNET)} if yamnet else {})
    alone = {name: ListenSettings(sounds=sounds, yamnet=yamnet) for name, sounds in ears.items()}
    return {
        "shared": Settings(data_dir=empty, listen=shared),
        BANK: Settings(data_dir=full, listen=shared),
        **{name: Settings(data_dir=empty, listen=listen) for name, listen in alone.items()},
        ALL: Settings(data_dir=full, listen=every_sound(yamnet)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speakers", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--bank", type=int, default=1_000, help="made recordings of three minutes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--yamnet", type=Path, help="the file of YAMNet, whose sounds are then heard, too")
    parser.add_argument("--opus", action="store_true", help="send Opus in place of PCM")
    options = parser.parse_args()
    size = (WARM_SECONDS + options.seconds) * SAMPLE_RATE
    sent = {
        name: batches([make(speaker, size) for speaker in range(options.speakers)], options.opus)
        for name, make in SCENES.items()
    }
    least: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        made = setups(Path(folder), made_bank(options.bank), options.yamnet)
        for _ in range(options.repeats):
            for name, settings in made.items():
                for scene, batch in sent.items():
                    cost = 1_000 * spent(settings, batch) / options.seconds / options.speakers
                    least[name, scene] = min(cost, least.get((name, scene), np.inf))
    table = Table("ms of one core for a second", *SCENES, box=None, pad_edge=False)
    for name in made:
        shared = 0 if name in {"shared", ALL} else 1
        table.add_row(name, *(f"{least[name, scene] - shared * least['shared', scene]:.2f}" for scene in SCENES))
    Console().print(table)


if __name__ == "__main__":
    main()
