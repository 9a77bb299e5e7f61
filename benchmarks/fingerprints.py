"""Measure whether banned recordings are heard in rooms, how often others are taken for them, and how long it takes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.fingerprints --speeches DIR --talk DIR [--music DIR] [--songs 30]

Recordings: the audio files of `--music`, songs made by rule, and speeches: the clips of each source
in `--speeches`, one after the other. Half of the music and of the songs is banned, and all speeches are. Files of
`--music` are cut to two minutes.

Recall: excerpts of banned recordings play 1% slower, as fast and 1% faster, with talk of `--talk` that is 10 dB
quieter, through Opus at 16 kbit/s.

False hits: all clips of `--speeches` and `--talk`, with a second between them, and the music and songs that are not
banned, all through Opus. Where a clip of a banned speech plays, its speech is no false hit.

Look-up: the bank is filled up to `--bank` recordings of three minutes. They have the hashes of the real recordings, at
random times. The time is that of one core (process time), as a ratio to the time of the audio.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track
from rich.table import Table

from agents.commands.paths import audio_files
from benchmarks import report
from benchmarks.clips import references
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.quality.statistics import Share
from pipeline.sound.fingerprints.fingerprint import Ban, BannedRecording, Fingerprint, fingerprint
from pipeline.sound.fingerprints.landmark_index import LandmarkIndex
from pipeline.sound.fingerprints.landmarks import Landmarks
from pipeline.sound.fingerprints.matching import RecordingMatcher, RecordingPlayback, joined_playbacks
from pipeline.sound.fingerprints.spectrum import FRAME_SECONDS
from pipeline.speech.audio.decode import read_file, samples_of
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import at_speed, through_opus, under_talk
from tests.pipeline.sound.songs import song

SEED = 31
SPEEDS = (0.99, 1.0, 1.01)
LENGTHS = (5.0, 10.0)
LONGEST = 120
"""Seconds of a recording."""
SONG_SECONDS = 180

Random = np.random.Generator


class Played(NamedTuple):
    """A recording of the benchmark. `clips` are the names of the clips in a speech."""

    kind: str
    sound: Samples
    clips: frozenset[str] = frozenset()


def recordings(music: Path | None, songs: int, speeches: Path, random: Random) -> tuple[list[Played], list[Played]]:
    """The banned recordings and the others."""
    files = audio_files([music]) if music else []
    found = [
        Played("music", np.concatenate([*islice(read_file(file), LONGEST)]))
        for file in track(files, "decoding", console=report.notes)
    ]
    made = [
        Played("songs", song(random, LONGEST * SAMPLE_RATE))
        for _ in track(range(songs), "composing", console=report.notes)
    ]
    return [*found[::2], *made[::2], *_speeches(speeches)], [*found[1::2], *made[1::2]]


def _speeches(folder: Path) -> Iterator[Played]:
    """Speeches of at most two minutes."""
    refs = references(folder)
    for source in sorted({ref.source for ref in refs}):
        clips = [ref for ref in refs if ref.source == source]
        while clips:
            ends = np.cumsum([ref.seconds for ref in clips])
            count = max(1, int(np.searchsorted(ends, LONGEST)))
            taken, clips = clips[:count], clips[count:]
            sound = np.concatenate([samples_of(folder / ref.file) for ref in taken])
            if sound.size > 2 * max(LENGTHS) * SAMPLE_RATE:
                yield Played("speeches", sound, frozenset(ref.file for ref in taken))


def bank_of(banned: Sequence[Played]) -> list[Fingerprint]:
    """Their fingerprints. The id is the number."""
    ban = Ban(title="recording", reason="benchmark", added_by="benchmark", added_at=0)
    return [fingerprint([each.sound], ban)._replace(id=str(number)) for number, each in enumerate(banned)]


def played_in(index: LandmarkIndex, sound: Samples) -> list[RecordingPlayback]:
    matcher = RecordingMatcher(index)
    return [*joined_playbacks([*matcher.push(sound), *matcher.flush()])]


def recall(index: LandmarkIndex, banned: Sequence[Played], talk: Samples, draws: int, random: Random) -> Table:
    """Excerpts of each banned recording that are heard, by kind, length and speed."""
    table = Table("banned", "excerpt", "speed", "heard", "95% interval", box=None, pad_edge=False)
    found: dict[tuple[str, float, float], list[bool]] = {}
    for number, each in enumerate(track(banned, "playing", console=report.notes)):
        for length in LENGTHS:
            for speed in SPEEDS * draws:
                begin = random.uniform(0, each.sound.size / SAMPLE_RATE - 1.1 * length)
                cut = slice(round(begin * SAMPLE_RATE), round((begin + length * speed) * SAMPLE_RATE))
                room = through_opus(under_talk(at_speed(each.sound[cut], speed), talk, random))
                right = any(hit.recording == str(number) for hit in played_in(index, room))
                found.setdefault((each.kind, length, speed), []).append(right)
    for (kind, length, speed), results in sorted(found.items()):
        table.add_row(kind, f"{length:g} s", f"{speed:g}", *_shown(results))
    for length in LENGTHS:
        together = [right for (_, excerpt, _), results in found.items() if excerpt == length for right in results]
        table.add_row("all", f"{length:g} s", "all", *_shown(together))
    return table


def _shown(results: Sequence[bool]) -> tuple[str, str]:
    share = Share(sum(results), len(results))
    low, high = share.interval
    return f"{share.hits}/{share.n} = {share.value:.3f}", f"{low:.3f}–{high:.3f}"


def false_hits(
    index: LandmarkIndex, banned: Sequence[Played], others: Sequence[Played], folders: Sequence[Path]
) -> Table:
    """Hits in speech and in recordings that are not banned."""
    table = Table("not banned", "minutes", "false hits", box=None, pad_edge=False)
    pause = np.zeros(SAMPLE_RATE, np.float32)
    for folder in folders:
        hits, seconds = 0, 0.0
        for path in track(sorted(folder.glob("*.flac")), f"hearing {folder.name}", console=report.notes):
            sound = through_opus(np.concatenate([samples_of(path), pause]))
            seconds += sound.size / SAMPLE_RATE
            hits += sum(path.name not in banned[int(hit.recording)].clips for hit in played_in(index, sound))
        table.add_row(f"speech: {folder.name}", f"{seconds / 60:.1f}", str(hits))
    for kind in sorted({each.kind for each in others}):
        sounds = [each.sound for each in others if each.kind == kind]
        hits = sum(len(played_in(index, through_opus(sound))) for sound in sounds)
        table.add_row(kind, f"{sum(sound.size for sound in sounds) / SAMPLE_RATE / 60:.1f}", str(hits))
    return table


def filled(real: Sequence[Fingerprint], size: int, random: Random) -> Iterator[Fingerprint]:
    """The bank with made recordings of three minutes: the hashes of the real ones at random times."""
    yield from real
    pool = np.concatenate([each.landmarks.hashes for each in real])
    rate = pool.size / sum(each.recording.seconds for each in real)
    count = round(rate * SONG_SECONDS)
    about = BannedRecording(ban=real[0].recording.ban, seconds=SONG_SECONDS)
    for number in range(len(real), size):
        frames = np.sort(random.integers(round(SONG_SECONDS / FRAME_SECONDS), size=count))
        yield Fingerprint(str(number), about, Landmarks(pool[random.integers(pool.size, size=count)], frames))


def look_up(real: Sequence[Fingerprint], size: int, sound: Samples, random: Random) -> Table:
    """The time to look up the sound in the real bank and in a large one."""
    table = Table("recordings", "landmarks", "CPU of the audio's time", box=None, pad_edge=False)
    for bank, count in ((real, len(real)), (filled(real, size, random), size)):
        index = LandmarkIndex(bank)
        begin = time.process_time()
        played_in(index, sound)
        ratio = (time.process_time() - begin) * SAMPLE_RATE / sound.size
        table.add_row(f"{count:,}", f"{index.size:,}", f"1/{1 / ratio:.0f}")
    return table


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--speeches", type=Path, required=True, help="clips and refs.tsv of the speeches")
    parser.add_argument("--talk", type=Path, required=True, help="clips of people who talk")
    parser.add_argument("--music", type=Path, help="a folder with audio files")
    parser.add_argument("--songs", type=int, default=30, help="songs to make")
    parser.add_argument("--draws", type=int, default=2, help="excerpts of each recording, length and speed")
    parser.add_argument("--bank", type=int, default=10_000, help="recordings of the large bank")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    banned, others = recordings(options.music, options.songs, options.speeches, random)
    talk = np.concatenate([samples_of(path) for path in sorted(options.talk.glob("*.flac"))])
    real = bank_of(banned)
    index = LandmarkIndex(real)
    report.show(
        recall(index, banned, talk, options.draws, random),
        false_hits(index, banned, others, (options.speeches, options.talk)),
        look_up(real, options.bank, np.concatenate([each.sound for each in others][:10]), random),
    )


if __name__ == "__main__":
    main()
