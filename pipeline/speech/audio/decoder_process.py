"""Decodes files in processes of their own: a fault of the decoder, or a file that needs too much, costs only one file.

A process decodes one file after the other. It gets an open file, and gives one block of audio for each request.
"""

import atexit
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import BinaryIO, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from pipeline.base.errors import AudioError, DependencyError
from pipeline.speech.audio.container import DecodeTally, Part, Rows, audible, decoded, in_blocks, opened, seconds_of
from pipeline.speech.audio.container_structure import NOT_NUMBERS_REMEDY, check_complete
from pipeline.speech.audio.resample import mean, not_cancelled

MEMORY_BYTES = 1 << 30
"""Most memory of a process."""
CPU_SECONDS = 60
"""Most CPU time to open a file, for a second of its audio, or to check it at the end."""
STALLED_SECONDS = 600.0
"""Time after which a process that does not answer is killed. It may wait for a slow disk, or for a busy CPU."""
IDLE = 2
"""Processes that are kept for the next files. To start one takes a quarter of a second."""

OUT_OF_MEMORY = 3
"""Exit code."""
SINGLE = {"OPENBLAS_NUM_THREADS": "1"}
"""By default OpenBLAS takes memory for each core of the machine."""
KEPT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME")
"""Variables that Python and its libraries need. The others stay here: a file that takes over the decoder must not find
our passwords and tokens.
"""
NEXT, CLOSE = b"next", b"close"

T = TypeVar("T")


class Opening(Struct, frozen=True):
    """A request to open the file that follows. Names are bytes, because those of files may be no valid text."""

    name: bytes
    size: int
    parts: tuple[Part, ...]
    """Parts of one audio stream; none: nothing is decoded."""
    live: bool
    """Whether it is live audio: channels do not cancel each other, and samples that are no numbers are no error."""


class Facts(Struct, frozen=True, tag=True):
    """What a file says about itself."""

    seconds: float | None
    """Length of the first audio stream, as the container states it or FFmpeg estimates it."""
    channels: tuple[int, ...]
    """Number of channels of each audio stream."""
    tags: tuple[tuple[str, str], ...]
    """Names and values of its metadata, then of each stream's."""


class Block(Struct, frozen=True, tag=True):
    """Samples of all parts, one part after the other. Empty after the end of the file."""

    data: bytes
    not_numbers: int = 0
    """Samples so far that were NaN or infinite and became silence."""


class Failure(Struct, frozen=True, tag=True):
    """An AudioError."""

    what: bytes
    remedy: str


OPENED: msgspec.msgpack.Decoder[Facts | Failure] = msgspec.msgpack.Decoder(Facts | Failure)
READ: msgspec.msgpack.Decoder[Block | Failure] = msgspec.msgpack.Decoder(Block | Failure)


@contextmanager
def decoding(
    file: BinaryIO, size: int, name: str, parts: Sequence[Part] = (), tally: DecodeTally | None = None
) -> Iterator[tuple[Facts, Iterator[Rows]]]:
    """Open a file of `size` bytes. Gives its facts, and `parts` of one audio stream as blocks of one second.

    With `tally`, the file is live audio: channels do not cancel each other, and the samples that are no numbers are
    counted there, and no error.

    Blocks have the shape (parts, 16000); only the last one is shorter. Raises AudioError with `name` if the file cannot
    be opened or decoded completely, or if it needs too much memory or time. Raises DependencyError if no process can be
    started.
    """
    process = _taken()
    try:
        yield (
            process.open(file, Opening(_encoded(name), size, tuple(parts), tally is not None)),
            process.blocks(name, len(parts), tally or DecodeTally()),
        )
    finally:
        process.close_file()
        if process.is_usable and len(_idle) < IDLE:
            _idle.append(process)
        else:
            process.end()


class DecoderProcess:
    """The parent's end of a process. Raises DependencyError if it cannot be started."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    # -P: a file `av.py` in the current folder must not be imported.
                    [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    process_group=0,  # Ctrl-C reaches only us
                )
            except OSError as error:
                raise DependencyError(f"No decoder can be started: {error.strerror}", "Free some memory.") from error
        self._waits = False

    @property
    def is_usable(self) -> bool:
        """Whether it runs, and all its answers were read."""
        return not self._waits and self._process.poll() is None

    def open(self, file: BinaryIO, opening: Opening) -> Facts:
        """Let it open a file. Raises AudioError."""
        handle = file.fileno()
        file.flush()  # a small upload was in memory until now
        return self._ask(msgspec.msgpack.encode(opening), _decoded(opening.name), OPENED, handle)

    def blocks(self, name: str, rows: int, tally: DecodeTally) -> Iterator[Rows]:
        """The audio of the open file. Counts samples that are no numbers. Raises AudioError."""
        while (block := self._ask(NEXT, name, READ)).data:
            tally.not_numbers = block.not_numbers
            yield np.frombuffer(block.data, np.float32).reshape(rows, -1)

    def close_file(self) -> None:
        with suppress(OSError):  # it has ended
            self._connection.send_bytes(CLOSE)

    def end(self) -> int:
        """Kill it. Returns its exit code."""
        self._connection.close()
        self._process.kill()
        return self._process.wait()

    def _ask(
        self, request: bytes, name: str, decoder: msgspec.msgpack.Decoder[T | Failure], handle: int | None = None
    ) -> T:
        self._waits = True
        try:
            self._connection.send_bytes(request)
            if handle is not None:
                send_handle(self._connection, handle, self._process.pid)
            if not self._connection.poll(STALLED_SECONDS):
                self._process.kill()
            answer = decoder.decode(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise _fault(name, self._process.wait()) from None
        self._waits = False
        if isinstance(answer, Failure):
            raise AudioError(_decoded(answer.what), answer.remedy)
        return answer


_idle: list[DecoderProcess] = []


@atexit.register
def end_idle() -> None:
    """End the processes that wait for a file."""
    while _idle:
        _idle.pop().end()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | SINGLE | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


def _taken() -> DecoderProcess:
    while True:
        try:
            process = _idle.pop()
        except IndexError:
            return DecoderProcess()
        if process.is_usable:
            return process


def _fault(name: str, code: int) -> AudioError:
    if code == -signal.SIGXCPU:
        fault = f"takes more than {CPU_SECONDS} s of CPU time for a second of audio"
    elif code == OUT_OF_MEMORY:
        fault = f"needs more than {MEMORY_BYTES >> 20} MiB of memory"
    else:
        fault = f"made the decoder fail ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
    return AudioError(f"{name} {fault}", "The decoded part was used. Convert it to WAV or FLAC with an audio editor.")


def _encoded(name: str) -> bytes:
    return name.encode(errors="surrogatepass")


def _decoded(name: bytes) -> str:
    return name.decode(errors="surrogatepass")


def serve(connection: Connection) -> None:
    """Answer the requests of the parent until it closes the connection."""
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    answers: Iterator[Facts | Block] = iter(())
    while True:
        try:
            request = connection.recv_bytes()
        except EOFError:
            return
        _limit(resource.RLIMIT_CPU, math.ceil(time.process_time()) + CPU_SECONDS)
        if request == CLOSE:
            answers = iter(())  # which closes the file
            continue
        if request != NEXT:
            opening = msgspec.msgpack.decode(request, type=Opening)
            answers = _answers(os.fdopen(recv_handle(connection), "rb"), opening)
        connection.send_bytes(msgspec.msgpack.encode(_next(answers)))


def _limit(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def _next(answers: Iterator[Facts | Block]) -> Facts | Block | Failure:
    try:
        return next(answers, Block(b""))
    except AudioError as error:
        return Failure(_encoded(error.what), error.remedy)


def _answers(file: BinaryIO, opening: Opening) -> Iterator[Facts | Block]:
    name, parts, tally = _decoded(opening.name), opening.parts, DecodeTally()
    with file, opened(file, name) as container:
        tags = [container.metadata, *(stream.metadata for stream in container.streams)]
        channels = tuple(stream.codec_context.channels for stream in container.streams.audio)
        yield Facts(seconds_of(container), channels, tuple(tag for each in tags for tag in each.items()))
        mix = not_cancelled if opening.live else mean
        for block in in_blocks(decoded(container, name, tally, parts, mix), tally):
            rows = np.stack([audible(row, part.gain) for row, part in zip(block, parts, strict=True)])
            yield Block(rows.tobytes(), tally.not_numbers)
        check_complete(name, container, parts[0].stream, file, opening.size, tally)
    if tally.not_numbers and not opening.live:
        raise AudioError(f"{name} has {tally.not_numbers} samples that are NaN or infinite", NOT_NUMBERS_REMEDY)


if __name__ == "__main__":
    try:
        with suppress(OSError):  # the parent has ended
            serve(Connection(int(sys.argv[1])))
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
