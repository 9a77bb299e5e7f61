"""Open microphones of a scene, which speak to a gateway in real time.

    python -m benchmarks.capacity.microphones PORT SCENE

SCENE is JSON. `TOKEN` in the environment is the gateway's. When all frames are encoded and all microphones are open, it
prints a line. Then it reads a line with the time of measurement: its begin and its end in UTC seconds. The
conversations start at once, and stop at the end. Then it prints as JSON what was sent in that time.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random

import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.capacity.scene import FRAME_SECONDS, SHARE, Codec, LoadScene, Sent
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.encode import to_pcm16
from tests.agents.test_one_machine import spoken
from tests.broker import ROOT
from tests.speech import clips, opus_packets

CONNECTING = 50
"""Connections that are opened at the same time."""
PATIENCE_SECONDS = 120.0
"""Time for the microphones to close, after the end."""
LONGEST_WAIT = 8.0
"""Conversations start within these seconds, not all at once."""

Frames = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class EncodedSentence:
    """Encoded speech with the silence after it."""

    frames: Frames
    seconds: float
    """Length of the speech."""
    flagged: bool


@dataclass
class Microphones:
    """All microphones of a scene, and the times (UTC seconds) at which they sent."""

    scene: LoadScene
    end: float = 0.0
    said: list[tuple[float, EncodedSentence]] = field(default_factory=list)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTING))

    async def open(self, port: int) -> list[list[ClientConnection]]:
        """Open the microphones of each room."""
        names = range(self.scene.microphones + self.scene.steady)
        rooms = ([self._open(port, room, name) for name in names] for room in range(self.scene.rooms))
        return await asyncio.gather(*(asyncio.gather(*room) for room in rooms))

    async def talk(self, rooms: Sequence[Sequence[ClientConnection]]) -> None:
        """Let people talk until `end`, and close the microphones."""
        harmless, flagged = sentences(self.scene)
        silence = encoded(np.zeros(round(10 * SAMPLE_RATE), np.float32), self.scene.codec)
        async with asyncio.TaskGroup() as tasks:
            for room, opened in enumerate(rooms):
                free, steady = [*opened[: self.scene.microphones]], opened[self.scene.microphones :]
                for number in range(self.scene.talks):
                    random = Random(1000 * room + number)
                    tasks.create_task(self._converse(random, free, harmless, flagged))
                for each in steady:
                    tasks.create_task(self._keep_silent(each, silence))
        await asyncio.gather(*(each.close() for opened in rooms for each in opened))

    async def _open(self, port: int, room: int, name: int) -> ClientConnection:
        form = "codec=opus" if self.scene.codec == "opus" else f"sample_rate={SAMPLE_RATE}"
        url = f"ws://127.0.0.1:{port}/v1/rooms/room-{room}/speakers/speaker-{name}/audio?{form}"
        headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
        async with self._turns:
            return await connect(
                url, additional_headers=headers, proxy=None, compression=None, ping_interval=None, open_timeout=60
            )

    async def _converse(
        self,
        random: Random,
        free: list[ClientConnection],
        harmless: Sequence[EncodedSentence],
        flagged: EncodedSentence,
    ) -> None:
        await asyncio.sleep(random.uniform(0, LONGEST_WAIT))
        while time.time() < self.end:
            sentence = flagged if random.random() < self.scene.flagged else random.choice(harmless)
            microphone = free.pop(random.randrange(len(free)))
            self.said.append((time.time(), sentence))
            await self._send(microphone, sentence.frames)
            if self.scene.push_to_talk:
                await microphone.send('{"end": true}')
            free.append(microphone)
            pause = sentence.seconds * (1 - SHARE) / SHARE - self.scene.hangover
            await asyncio.sleep(max(0.0, pause))

    async def _keep_silent(self, microphone: ClientConnection, silence: Frames) -> None:
        while time.time() < self.end:
            await self._send(microphone, silence)

    async def _send(self, microphone: ClientConnection, frames: Frames) -> None:
        """Send frames in real time, each when it has been spoken to its end, but none after `end`."""
        began, seconds = time.time(), FRAME_SECONDS[self.scene.codec]
        for number, frame in enumerate(frames, 1):
            due = began + number * seconds
            if due > self.end:
                return
            await asyncio.sleep(due - time.time())
            await microphone.send(frame)

    def sent(self, begin: float) -> Sent:
        """Return the audio that was sent from `begin` (UTC seconds) to the end."""
        speech = sum(self._within(begin, at, each.seconds) for at, each in self.said)
        sending = sum(self._within(begin, at, each.seconds + self.scene.hangover) for at, each in self.said)
        seconds = self.end - begin
        steady = self.scene.rooms * self.scene.steady * seconds
        flagged = sum(each.flagged and begin <= at + each.seconds < self.end for at, each in self.said)
        return Sent(seconds, speech, sending + steady, flagged)

    def _within(self, begin: float, at: float, seconds: float) -> float:
        return max(0.0, min(at + seconds, self.end) - max(at, begin))


@cache
def sentences(scene: LoadScene) -> tuple[list[EncodedSentence], EncodedSentence]:
    """Return the harmless sentences, and one that breaks the rules."""
    threat = (np.frombuffer(spoken(), "<i2") / 32_768).astype(np.float32)
    return [_sentence(clip, scene) for clip in clips()], _sentence(threat, scene, flagged=True)


def _sentence(clip: Samples, scene: LoadScene, *, flagged: bool = False) -> EncodedSentence:
    silence = np.zeros(round(scene.hangover * SAMPLE_RATE), np.float32)
    return EncodedSentence(encoded(np.concatenate([clip, silence]), scene.codec), clip.size / SAMPLE_RATE, flagged)


def encoded(samples: Samples, codec: Codec) -> list[bytes]:
    """Return frames of `samples` (16 kHz, shape (samples,))."""
    pcm = to_pcm16(samples)
    if codec == "pcm":
        size = round(2 * SAMPLE_RATE * FRAME_SECONDS["pcm"])
        return [pcm[at : at + size] for at in range(0, len(pcm), size)]
    return opus_packets(samples)


class Player:
    """The microphones of a scene, in a process of their own, with all connections open."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._end = 0.0
        if not (process.stdin and process.stdout and process.stdout.readline()):
            raise SystemExit("The microphones cannot connect to the gateway. The error is above.")

    def start(self, warm: float, seconds: float) -> float:
        """Start the conversations. Returns when the measurement begins, in UTC seconds: `warm` seconds from now."""
        begin = time.time() + warm
        self._end = begin + seconds
        print(begin, self._end, file=self._process.stdin, flush=True)
        return begin

    def sent(self) -> Sent:
        """Wait for the end, and return what was sent."""
        patience = max(0.0, self._end - time.time()) + PATIENCE_SECONDS
        return msgspec.json.decode(self._process.communicate(timeout=patience)[0], type=Sent)


@contextmanager
def playing(scene: LoadScene, port: int, token: str) -> Iterator[Player]:
    """Open the microphones of a scene at the gateway on `port`."""
    command = [sys.executable, "-m", "benchmarks.capacity.microphones", str(port), msgspec.json.encode(scene).decode()]
    environment, pipe = os.environ | {"TOKEN": token}, subprocess.PIPE
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Player(process)


async def main(port: str, scene: str) -> None:
    microphones = Microphones(msgspec.json.decode(scene, type=LoadScene))
    sentences(microphones.scene)
    rooms = await microphones.open(int(port))
    print("open", flush=True)
    begin, microphones.end = map(float, (await asyncio.to_thread(sys.stdin.readline)).split())
    await microphones.talk(rooms)
    print(msgspec.json.encode(microphones.sent(begin)).decode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
