"""Recordings as whole files of every kind, and what the decoder hears in them."""

import io
from collections.abc import Callable
from functools import cache
from typing import BinaryIO

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import read_bytes
from tests.pipeline.speech.audio.sound import clip, recording

KINDS = {
    "wav": ("wav", "pcm_s16le", 16_000, "mono"),
    "flac": ("flac", "flac", 16_000, "mono"),
    "mp3": ("mp3", "libmp3lame", 44_100, "mono"),
    "ogg": ("ogg", "libopus", 48_000, "mono"),
    "m4a": ("ipod", "aac", 44_100, "mono"),
    "webm": ("webm", "libopus", 48_000, "mono"),
    "aac": ("adts", "aac", 44_100, "mono"),
    "aiff": ("aiff", "pcm_s16be", 16_000, "mono"),
    "au": ("au", "pcm_s16be", 16_000, "mono"),
    "caf": ("caf", "pcm_s16be", 16_000, "mono"),
    "w64": ("w64", "pcm_s16le", 16_000, "mono"),
    "avi": ("avi", "pcm_s16le", 16_000, "mono"),
    "flv": ("flv", "libmp3lame", 44_100, "mono"),
    "amr": ("amr", "libopencore_amrnb", 8_000, "mono"),
    "wv": ("wv", "wavpack", 16_000, "mono"),
}
JUNK = bytes(range(1, 200)) * 50


@cache
def made(kind: str, name: str = "tt-weasels") -> bytes:
    return recording(clip(name), *KINDS[kind])


def heard(data: bytes) -> float:
    """The decoded seconds. Raises AudioError unless all of the file was decoded."""
    return read_bytes(data, "the file", 60)[0].size / SAMPLE_RATE


def length(*names: str) -> float:
    return sum(clip(name).size for name in names) / SAMPLE_RATE


def fault_in(check: Callable[[BinaryIO, int, range], str | None], data: bytes, last: range = range(0)) -> str | None:
    """What a check says about a file whose last packet has the byte range `last`."""
    return check(io.BytesIO(data), len(data), last)
