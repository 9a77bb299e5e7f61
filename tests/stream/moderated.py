"""Real speech goes through one worker of each role, together with records that the workers complain about."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import structs

from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Flag
from pipeline.contract.topology import AUDIO, FLAGS, STAGES
from pipeline.review.cases.case_values import Filters
from pipeline.review.review_store import open_store
from pipeline.settings import ListenSettings, Settings
from pipeline.speech.audio.recording_parts import chunks_of
from pipeline.speech.audio.resample import Samples
from tests.broker import ROOT
from tests.pipeline.review import banning
from tests.pipeline.sound import yamnet_networks
from tests.pipeline.sound.disturbances import howl
from tests.pipeline.sound.fingerprints.music import banned, tune
from tests.pipeline.speech.audio.sound import chunks, silence
from tests.stream.kafka_io import put, wait_for
from tests.stream.processes import Process, environment

ROOM, SPEAKER = "zqroomqz", "zqspeakerqz"
"""No other text contains these names, so that every occurrence can be found."""
START = 1_700_000_000.0
VOICES = {
    (ROOM, SPEAKER): ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg",
    (ROOM, "ann"): ROOT / "tests" / "data" / "demo-echotest.flac",
    ("attic", "eve"): ROOT / "tests" / "data" / "tt-weasels.flac",
}

SONG = 1
"""The number of the banned song."""
SCREAMING = 11
"""The class of YAMNet."""


def events(folder: Path) -> ListenSettings:
    """What the listen stage reports. A network in `folder` takes loud noise for a scream, in the form of YAMNet."""
    folder.mkdir(parents=True, exist_ok=True)
    network = yamnet_networks.write(folder / "yamnet.tflite", [SCREAMING])
    return ListenSettings(sounds=("howl", "dead_air", "scream"), dead_air_seconds=15, yamnet=network)


LOUD = "import logging; logging.basicConfig(level=logging.DEBUG); from agents.commands.command_line import main; main()"
"""The command line with the debug log of every library."""


@dataclass(frozen=True)
class Moderated:
    flags: list[Flag]
    exits: list[int]
    log: str


def audio() -> list[AudioChunk]:
    """Return the audio of all speakers, mixed in time as in a live room.

    One of them plays a banned song, the microphone of another one howls, and a third one screams. In the hall, two wait
    in silence.
    """
    streams = [chunks_of(path, room, speaker, start=START) for (room, speaker), path in VOICES.items()]
    attic = {"dj": tune(SONG), "mic": howling(), "fan": screaming()}
    hall = {"ana": silence(45), "ben": silence(50)}
    for room, speakers in (("attic", attic), ("hall", hall)):
        for speaker, sound in speakers.items():
            seconds = [SAMPLE_RATE] * (sound.size // SAMPLE_RATE - 1)
            streams.append(iter(chunks(sound, seconds, room, speaker, START)))
    return sorted((chunk for stream in streams for chunk in stream), key=lambda chunk: chunk.start)


def howling() -> Samples:
    """A microphone in a quiet room that hears its own loudspeaker."""
    random = np.random.default_rng(1)
    return howl(random, random.normal(0, 0.001, 12 * SAMPLE_RATE).astype(np.float32))


def screaming() -> Samples:
    """A second of loud noise in silence, which the small network takes for a scream. It hears the howl so, too."""
    noise = np.random.default_rng(1).uniform(-0.9, 0.9, SAMPLE_RATE).astype(np.float32)
    return np.concatenate([silence(4), noise, silence(4)])


def ban(settings: Settings) -> None:
    """Put the song into the bank of the settings."""
    banning.ban(settings.database_url, banned(SONG))


def unusable() -> list[AudioChunk]:
    """Return chunks that the segment stage refuses, each for another reason."""
    good = AudioChunk(
        room=ROOM,
        speaker=f"{SPEAKER}-2",
        sequence=1,
        start=START - 100,
        codec="pcm_s16le",
        sample_rate=16_000,
        data=b"\0" * 640,
    )
    return [
        structs.replace(good, data=b"odd"),
        structs.replace(good, codec="opus", sample_rate=48_000, data=b"no opus", start=START - 90),
        structs.replace(good, codec="opus", sample_rate=44_100, data=b"\xf8\xff\xfe", start=START - 80),
        structs.replace(good, codec="container", data=b"no recording", start=START - 70),
    ]


def moderate(settings: Settings, count: int, logs: Path) -> Moderated:
    """Run the workers on Kafka until there are `count` flags and a case with its clip."""
    ban(settings)
    put(settings, AUDIO, [*unusable(), *audio()])
    with ExitStack() as stack:
        workers = [_worker(role.name, settings, logs / role.name) for role in STAGES if not role.switch]
        for worker in workers:
            stack.callback(worker.close)

        def alive() -> None:
            for worker in workers:
                worker.running()

        records = wait_for(settings, FLAGS, lambda found: len(found) >= count, alive)
        _wait_for_case(settings, alive)
        exits = [worker.stop() for worker in workers]
        log = "".join(worker.log for worker in workers)
    return Moderated([decode_event(Flag, record.value, record.headers) for record in records], exits, log)


def _worker(role: str, settings: Settings, output: Path) -> Process:
    command = [sys.executable, "-c", LOUD, "-v", "worker", role]
    return Process(command, os.environ | environment(settings), output)


def _wait_for_case(settings: Settings, alive: Callable[[], None]) -> None:
    """Wait until the speech is a case with its clip."""
    with closing(open_store(settings)) as store:
        while not any(store.case(case.id).evidence for case in store.cases(Filters())):
            alive()
            time.sleep(0.5)
