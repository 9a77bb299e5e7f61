"""Recordings that are damaged, truncated, have hidden speech, or are no recordings. The hidden speech is an insult."""

import io
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import cast

import av
import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.resample import Samples

VOICE = Path(__file__).parents[2] / "pipeline" / "runner" / "demo" / "lounge-ben.ogg"
FRENCH = Path(__file__).parents[1] / "data" / "other_languages" / "fr-no-service.flac"

PASS, FLAGGED, REFUSED, UNHEARD = "pass", "flagged", "refused", "unheard"
NOT_MISSED = frozenset({FLAGGED, REFUSED, UNHEARD})
"""Allowed results for a file with an insult: it is flagged, or the file fails, or nobody calls its speech clean."""

Case = tuple[str, bytes, frozenset[str]]
"""A file's name, its content, and its allowed results."""

KINDS = {
    "wav": ("wav", "pcm_s16le", 16_000, "mono"),
    "wav24": ("wav", "pcm_s24le", 48_000, "stereo"),
    "flac": ("flac", "flac", 44_100, "stereo"),
    "mp3": ("mp3", "libmp3lame", 44_100, "stereo"),
    "opus": ("ogg", "libopus", 48_000, "stereo"),
    "m4a": ("ipod", "aac", 44_100, "stereo"),
    "webm": ("webm", "libopus", 48_000, "mono"),
    "aac": ("adts", "aac", 44_100, "mono"),
    "aiff": ("aiff", "pcm_s16be", 22_050, "mono"),
    "au": ("au", "pcm_s16be", 22_050, "mono"),
    "caf": ("caf", "pcm_s16be", 22_050, "mono"),
    "w64": ("w64", "pcm_s16le", 22_050, "mono"),
    "wv": ("wv", "wavpack", 22_050, "mono"),
    "amr": ("amr", "libopencore_amrnb", 8_000, "mono"),
    "avi": ("avi", "pcm_s16le", 44_100, "mono"),
    "flv": ("flv", "libmp3lame", 44_100, "mono"),
    "mpegts": ("mpegts", "mp2", 44_100, "mono"),
    "mpeg": ("mpeg", "mp2", 44_100, "mono"),
}
WAV_CODECS = ("pcm_u8", "pcm_s32le", "pcm_s64le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ms")
JUNK = bytes(range(1, 200)) * 100
ID3V1 = b"TAG" + bytes(125)
NOTHING: Samples = np.zeros(4 * SAMPLE_RATE, np.float32)


@cache
def talk() -> Samples:
    """Four seconds about painting."""
    return _voice()[6 * SAMPLE_RATE : 10 * SAMPLE_RATE + 8_000]


@cache
def insult() -> Samples:
    """Four seconds that the shipped policy flags, of the same length."""
    return _voice()[14 * SAMPLE_RATE + 8_000 : 19 * SAMPLE_RATE]


@cache
def foreign() -> Samples:
    """Five seconds of French."""
    return samples_of(FRENCH)


@cache
def _voice() -> Samples:
    return samples_of(VOICE)


def encoded(samples: Samples, container: str, codec: str, rate: int = SAMPLE_RATE, layout: str = "mono") -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        _add(output, samples, codec, rate, layout)
    return file.getvalue()


def _add(output: av.container.OutputContainer, samples: Samples, codec: str, rate: int, layout: str) -> None:
    stream = cast(av.AudioStream, output.add_stream(codec, rate=rate, layout=layout))
    for frame in _frames(samples, stream.format.name, rate, layout):
        output.mux(stream.encode(frame))


@cache
def made(kind: str, *, bad: bool) -> bytes:
    return encoded(insult() if bad else talk(), *KINDS[kind])


def wav(*channels: Samples, rate: int = SAMPLE_RATE) -> bytes:
    """16-bit samples with the shortest possible header."""
    samples = (np.stack(channels, axis=1).clip(-1, 1) * 32_767).astype("<i2").tobytes()
    return riff(chunk(b"fmt ", form(len(channels), rate)), chunk(b"data", samples))


def form(channels: int = 1, rate: int = SAMPLE_RATE) -> bytes:
    return struct.pack("<HHIIHH", 1, channels, rate, min(2 * rate * channels, 2**32 - 1), 2 * channels, 16)


def riff(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


def chunk(name: bytes, content: bytes, stated: int | None = None) -> bytes:
    length = len(content) if stated is None else stated
    return name + struct.pack("<I", length) + content + bytes(len(content) % 2)


def pcm(samples: Samples) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def cases() -> Iterator[Case]:
    """All recordings. They have the same bytes in each run."""
    for make in (whole, appended, tagged, cut, damaged, wavs, channels, streams, lengths, none):
        yield from make()


def whole() -> Iterator[Case]:
    for kind in KINDS:
        yield f"whole-talk.{kind}", made(kind, bad=False), frozenset({PASS})
        yield f"whole-insult.{kind}", made(kind, bad=True), frozenset({FLAGGED})
    for codec in WAV_CODECS:
        yield f"{codec}.wav", encoded(insult(), "wav", codec), NOT_MISSED
    yield "wrong-ending.mp3", made("flac", bad=True), frozenset({FLAGGED})
    yield "silence.wav", wav(NOTHING), frozenset({PASS})
    yield "two-seconds-of-noise.wav", wav(_noise(0.1)), frozenset({PASS})


def appended() -> Iterator[Case]:
    for kind in KINDS:
        yield f"second-behind.{kind}", made(kind, bad=False) + made(kind, bad=True), NOT_MISSED
    for kind in ("mp3", "flac", "opus", "m4a", "webm"):
        yield f"wav-behind.{kind}", made(kind, bad=False) + made("wav", bad=True), frozenset({REFUSED})
        yield f"behind.{kind}.wav", made("wav", bad=False) + made(kind, bad=True), frozenset({REFUSED})
    for kind in ("wav", "flac", "opus", "m4a", "webm", "aiff", "caf", "w64", "flv", "avi", "aac"):
        yield f"junk-behind.{kind}", made(kind, bad=False) + JUNK, frozenset({REFUSED})


def tagged() -> Iterator[Case]:
    """Tags as players write them. They are no reason to refuse a file."""
    for kind in ("wav", "flac", "mp3", "aac"):
        yield f"id3v1.{kind}", made(kind, bad=False) + ID3V1, frozenset({PASS})
    id3v2 = b"ID3\3\0\0" + bytes([0, 0, 16, 0]) + bytes(2_048)
    yield "id3v2.mp3", id3v2 + made("mp3", bad=False), frozenset({PASS})
    yield "id3v2-insult.mp3", id3v2 + made("mp3", bad=True), frozenset({FLAGGED})
    picture = chunk(b"id3 ", b"ID3\3\0\0\0\0\0\0" + bytes(40_000))
    yield "picture-behind.wav", made("wav", bad=False) + picture, frozenset({PASS})


def cut() -> Iterator[Case]:
    for kind in KINDS:
        data = made(kind, bad=True)
        yield f"cut.{kind}", data[: len(data) * 6 // 10], NOT_MISSED
    for kind in ("wav", "flac", "mp3", "opus", "webm", "m4a"):
        yield f"head-only.{kind}", made(kind, bad=True)[:40], frozenset({REFUSED})


def damaged() -> Iterator[Case]:
    small = encoded(np.concatenate([talk(), insult()] * 3), "ogg", "libopus", 48_000)
    pages = _places(small, b"OggS")
    yield "changed-pages.ogg", _changed(small, [at + 400 for at in pages[2:]]), frozenset({REFUSED})
    yield "missing-page.ogg", small[: pages[-2]] + small[pages[-1] :], frozenset({REFUSED})
    yield "last-page-missing.ogg", small[: pages[-1]], frozenset({REFUSED})
    flac = made("flac", bad=True)
    yield "changed-frame.flac", _changed(flac, [len(flac) // 2]), NOT_MISSED
    yield "hole.flac", flac[: len(flac) // 3] + flac[len(flac) // 2 :], frozenset({REFUSED})
    webm = encoded(np.concatenate([talk(), insult()] * 3), "webm", "libopus", 48_000)
    clusters = _places(webm, b"\x1f\x43\xb6\x75")
    yield "changed-cluster.webm", _changed(webm, clusters[1:]), frozenset({REFUSED})
    mp3 = bytearray(made("mp3", bad=False) + made("mp3", bad=True))
    mp3[len(mp3) // 2 :] = bytes(len(mp3) // 2)
    yield "zeros-from-the-middle.mp3", bytes(mp3), frozenset({REFUSED})
    for at in (0, 4, 20, 100, 1_000):
        yield f"byte-{at}-changed.wav", _changed(made("wav", bad=True), [at]), NOT_MISSED
        yield f"byte-{at}-changed.m4a", _changed(made("m4a", bad=True), [at]), NOT_MISSED


def wavs() -> Iterator[Case]:
    head, both = chunk(b"fmt ", form()), pcm(np.concatenate([talk(), insult()]))
    for stated in (0, 0xFFFF_FFFF, 0x7FFF_FFFF):
        yield f"stated-{stated}.wav", riff(head) + chunk(b"data", both, stated), frozenset({FLAGGED})
    short = len(pcm(talk()))
    yield "stated-shorter.wav", riff(head) + chunk(b"data", both, short), frozenset({REFUSED})
    twice = riff(head, chunk(b"data", pcm(insult())), chunk(b"data", pcm(talk())))
    yield "two-blocks.wav", twice, frozenset({REFUSED})
    for name in (b"junk", b"LIST", b"PAD "):
        yield f"{name.decode().strip()}-first.wav", riff(head, chunk(name, JUNK), chunk(b"data", both)), NOT_MISSED
    sizes = struct.pack("<QQQI", len(both) + 72, len(both), len(both) // 2, 0)
    wide = b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", sizes) + head + b"data\xff\xff\xff\xff" + both
    yield "lengths-of-64-bits.wav", wide, frozenset({FLAGGED})
    yield "lengths-of-64-bits-junk.wav", wide + JUNK, frozenset({REFUSED})
    for rate in (0, 1, 3_999, 1_000_000, 2**32 - 1):
        yield f"rate-{rate}.wav", wav(insult(), rate=rate), frozenset({REFUSED})
    yield "no-channels.wav", riff(chunk(b"fmt ", form(0)), chunk(b"data", both)), frozenset({REFUSED})
    yield "no-samples.wav", riff(head, chunk(b"data", b"")), frozenset({REFUSED})
    yield "no-form.wav", riff(chunk(b"data", both)), frozenset({REFUSED})
    yield "24-bits-in-32.wav", _wide(insult()), frozenset({FLAGGED})
    broken = insult().copy()
    broken[::7] = np.nan
    yield "not-numbers.wav", _floats(broken), frozenset({REFUSED})
    yield "far-too-loud.wav", _floats(insult() * 1e30), frozenset({PASS, FLAGGED, REFUSED})


def channels() -> Iterator[Case]:
    speech, music = insult(), _music()
    for name, rows in {
        "opposite": [speech, -speech],
        "opposite-and-quiet": [0.01 * speech, -0.01 * speech],
        "opposite-under-music": [music + 0.3 * speech, music - 0.3 * speech],
        "one-of-six": [np.zeros_like(speech)] * 5 + [speech],
        "one-of-six-under-music": [music] * 5 + [0.3 * speech],
        "one-of-thirty-two": [np.zeros_like(speech)] * 31 + [speech],
        "minus-60-decibels": [0.001 * speech],
        "on-an-offset": [0.1 * speech + 0.9],
        "on-an-offset-below": [0.1 * speech - 0.9],
        "upside-down": [-speech],
        "one-a-channel": [talk()[: speech.size], speech[: talk().size]],
    }.items():
        yield f"{name}.wav", wav(*rows), NOT_MISSED
    for ending, container, codec in (("opus", "ogg", "libopus"), ("aac", "adts", "aac"), ("wv", "wv", "wavpack")):
        yield f"seven-and-one.{ending}", encoded(speech, container, codec, 48_000, "7.1"), frozenset({FLAGGED})
    for count in (33, 64):
        yield f"{count}-channels.wav", wav(*[speech] * count), frozenset({REFUSED})


def streams() -> Iterator[Case]:
    for container, codec in (("matroska", "pcm_s16le"), ("mp4", "aac"), ("mpegts", "mp2"), ("ogg", "libopus")):
        for order in ((talk(), insult()), (insult(), talk())):
            file = io.BytesIO()
            with av.open(file, "w", format=container) as output:
                pair = [output.add_stream(codec, rate=48_000, layout="mono") for _ in order]
                for stream, samples in zip(cast(list[av.AudioStream], pair), order, strict=True):
                    for frame in _frames(samples, stream.format.name, 48_000, "mono"):
                        output.mux(stream.encode(frame))
            name = "second-stream" if order[1] is insult() else "first-stream"
            yield f"{name}.{container}", file.getvalue(), NOT_MISSED


def lengths() -> Iterator[Case]:
    """Files that state a wrong length."""
    flac = bytearray(made("flac", bad=True))
    for total in (0, 1, 44_100):
        flac[21:26] = bytes([flac[21] & 0xF0]) + total.to_bytes(4, "big")
        yield f"total-{total}.flac", bytes(flac), frozenset({FLAGGED})
    m4a = bytearray(made("m4a", bad=True))
    at = m4a.index(b"elst") + 12
    m4a[at : at + 4] = struct.pack(">I", 1)
    yield "edit-of-a-millisecond.m4a", bytes(m4a), NOT_MISSED


def none() -> Iterator[Case]:
    """Inputs that are not recordings."""
    for name, content in {
        "empty.wav": b"",
        "one-byte.wav": b"R",
        "zeros.wav": bytes(5_000),
        "text.wav": b"minutes of the meeting\n" * 100,
        "picture.mp3": b"\x89PNG\r\n\x1a\n" + bytes(900),
        "page.ogg": b"<!doctype html><title>404</title>",
        "archive.m4a": b"PK\x03\x04" + bytes(900),
        "list.mp3": b"#EXTM3U\n#EXTINF:3,\nwhole-talk.wav\n",
        "list.wav": b"ffconcat version 1.0\nfile whole-talk.wav\n",
        "session.aac": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        "object.flac": b'{"audio": null}',
        "pointer.wav": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
        "noise.mp3": np.random.default_rng(1).bytes(20_000),
    }.items():
        yield name, content, frozenset({REFUSED})


def _frames(samples: Samples, form: str, rate: int, layout: str) -> Iterator[av.AudioFrame | None]:
    """Frames for an encoder, with None at the end to flush it."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    spread = av.AudioResampler(format=form, layout=layout, rate=rate)
    yield from [*spread.resample(frame), *spread.resample(None), None]


def _wide(samples: Samples) -> bytes:
    """Samples of 24 bits, which are the upper ones of 32, as an extensible header says."""
    guid = b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    head = struct.pack("<HHIIHHHHI", 0xFFFE, 1, SAMPLE_RATE, 4 * SAMPLE_RATE, 4, 32, 22, 24, 4) + guid
    whole = (samples.astype(np.float64) * (2**23 - 1)).astype("<i4") << 8
    return riff(chunk(b"fmt ", head), chunk(b"data", whole.tobytes()))


def _floats(samples: Samples) -> bytes:
    head = struct.pack("<HHIIHH", 3, 1, SAMPLE_RATE, 4 * SAMPLE_RATE, 4, 32)
    return riff(chunk(b"fmt ", head), chunk(b"data", samples.astype("<f4").tobytes()))


def _music() -> Samples:
    times = np.arange(insult().size) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330, 440))
    return np.asarray(0.06 * chord * (1 + np.sin(4 * np.pi * times)), np.float32)


def _noise(loudness: float) -> Samples:
    return np.random.default_rng(1).normal(0, loudness, 2 * SAMPLE_RATE).astype(np.float32)


def _places(data: bytes, mark: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(mark, at)]


def _changed(data: bytes, places: list[int]) -> bytes:
    changed = bytearray(data)
    for at in places:
        if at < len(changed):
            changed[at] ^= 0xFF
    return bytes(changed)
