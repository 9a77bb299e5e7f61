"""Files that decode without an error, although the decoder does not read all of their audio."""

import struct
from contextlib import suppress
from functools import cache

import pytest

from pipeline.audio.decode import read_bytes
from pipeline.audio.structure import flac, ogg
from pipeline.errors import AudioError
from pipeline.messages import SAMPLE_RATE
from tests.pipeline.audio.sound import clip, recording

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
ID3V1 = b"TAG" + b"a title".ljust(125, b"\0")
APE = b"Title\0".rjust(200, b"\x01") + b"APETAGEX" + struct.pack("<IIII8x", 2_000, 232, 1, 0)


@cache
def made(kind: str, name: str = "tt-weasels") -> bytes:
    return recording(clip(name), *KINDS[kind])


def heard(data: bytes) -> float:
    """The decoded seconds. Raises AudioError unless all of the file was decoded."""
    return read_bytes(data, "the file", 60)[0].size / SAMPLE_RATE


def length(*names: str) -> float:
    return sum(clip(name).size for name in names) / SAMPLE_RATE


@pytest.mark.parametrize("kind", KINDS)
def test_complete_files_are_accepted(kind: str) -> None:
    assert heard(made(kind)) == pytest.approx(length("tt-weasels"), abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_recording_after_the_first_is_decoded_or_refused(kind: str) -> None:
    seconds = None
    with suppress(AudioError):
        seconds = heard(made(kind) + made(kind, "dir-nomatch"))
    assert seconds is None or seconds == pytest.approx(length("tt-weasels", "dir-nomatch"), abs=0.2)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "au"])
def test_random_data_after_the_recording_is_refused(kind: str) -> None:
    with pytest.raises(AudioError, match=r"the file (was not decoded completely|is damaged|is incomplete)"):
        heard(made(kind) + JUNK)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "aac", "aiff", "ogg", "m4a", "webm"])
def test_tags_and_padding_at_the_end_are_accepted(kind: str) -> None:
    assert heard(made(kind) + ID3V1) == pytest.approx(length("tt-weasels"), abs=0.1)


@pytest.mark.parametrize("kind", ["wav", "flac", "aac"])
def test_large_tags_at_the_end_are_accepted(kind: str) -> None:
    for tags in (APE, APE + ID3V1, bytes(4_096)):
        assert heard(made(kind) + tags) == pytest.approx(length("tt-weasels"), abs=0.1)


def test_chunks_after_the_samples_of_a_wav_may_hold_text_but_no_samples() -> None:
    assert heard(made("wav") + b"LIST" + struct.pack("<I", 400) + bytes(400)) > 2
    more = struct.pack("<I", 40_000) + made("wav")[-40_000:]
    for kind in (b"RIFF", b"\1\2\3\4"):
        with pytest.raises(AudioError, match="was not decoded completely: the 40,008 bytes"):
            heard(made("wav") + kind + more)
    with pytest.raises(AudioError, match="was not decoded completely: it has a second block of samples at byte"):
        heard(made("wav") + b"data" + more)


@pytest.mark.parametrize("stated", [0, 0xFFFF_FFFF])
def test_chunks_after_samples_of_unknown_length_are_accepted(stated: int) -> None:
    data = bytearray(made("wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", stated)
    assert heard(bytes(data)) == pytest.approx(length("tt-weasels"), abs=0.01)


def test_a_wav_with_64_bit_lengths_is_accepted() -> None:
    samples = made("wav")[-64_000:]
    sizes = struct.pack("<QQQI", len(samples) + 72, len(samples), len(samples) // 2, 0)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", len(sizes)) + sizes + form
    data = head + b"data\xff\xff\xff\xff" + samples
    assert heard(data) == pytest.approx(2)
    assert heard(data + b"LIST" + struct.pack("<I", 400) + bytes(400)) == pytest.approx(2)
    with pytest.raises(AudioError, match="was not decoded completely"):
        heard(data + JUNK)


def test_samples_after_the_stated_length_of_a_wav_are_refused() -> None:
    data = bytearray(made("wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 16_000)
    with pytest.raises(AudioError, match=r"the file was not decoded completely: the 78,\d+ bytes from byte 16,\d+ on"):
        heard(bytes(data))


def pages(data: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(b"OggS", at)]


def opus() -> bytes:
    """An Ogg file with small pages, as live recorders write them."""
    return recording(clip("demo-abouttotry"), *KINDS["ogg"])


def test_one_changed_byte_in_each_ogg_page_is_refused() -> None:
    data = bytearray(opus())
    for at in pages(bytes(data))[3:]:
        data[at + 400] ^= 0xFF
    with pytest.raises(AudioError, match=rf"{len(pages(bytes(data))) - 3} of its \d+ pages are damaged, the first at"):
        heard(bytes(data))


def test_a_missing_ogg_page_is_reported() -> None:
    data, places = opus(), pages(opus())
    with pytest.raises(AudioError, match="1 of its pages are missing"):
        heard(data[: places[4]] + data[places[5] :])


def test_consecutive_ogg_streams_are_decoded_or_refused() -> None:
    assert heard(made("ogg") + made("ogg", "dir-nomatch")) == pytest.approx(
        length("tt-weasels", "dir-nomatch"), abs=0.1
    )


def test_the_ogg_checksum_matches_the_pages_of_a_file() -> None:
    data = made("ogg")
    first = data[: pages(data)[1]]
    assert ogg.checksum(first[:22] + bytes(4) + first[26:]) == int.from_bytes(first[22:26], "little")


def test_the_flac_checksum_matches_its_check_value() -> None:
    assert flac.checksum(b"123456789") == 0xFEE8  # the check value of CRC-16/UMTS
    assert flac.checksum(b"123456789\xfe\xe8") == 0


@pytest.mark.parametrize("total", [0, 1, 16_000])
def test_a_flac_with_a_wrong_length_is_decoded_to_its_end(total: int) -> None:
    data = bytearray(made("flac"))
    data[21:26] = bytes([data[21] & 0xF0]) + total.to_bytes(4, "big")
    assert heard(bytes(data)) == pytest.approx(length("tt-weasels"), abs=0.01)


@pytest.mark.parametrize("stated", [True, False])
def test_a_damaged_flac_frame_is_reported(stated: bool) -> None:
    data = bytearray(made("flac"))
    data[len(data) // 2] ^= 0x10
    if not stated:
        data[21:26] = bytes([data[21] & 0xF0]) + bytes(4)
    with pytest.raises(AudioError, match="are missing"):
        heard(bytes(data))


def test_an_edit_list_hides_no_audio() -> None:
    data = bytearray(made("m4a"))
    at = data.index(b"elst") + 12  # duration and media time follow version, flags and count
    data[at : at + 4] = struct.pack(">I", 500)
    assert heard(bytes(data)) == pytest.approx(length("tt-weasels"), abs=0.1)


def test_garbage_between_the_clusters_of_a_webm_is_refused() -> None:
    data = bytearray(recording(clip("demo-echotest"), *KINDS["webm"]))
    clusters = [at for at in range(len(data)) if data.startswith(b"\x1f\x43\xb6\x75", at)]
    for at in clusters[1:-1]:
        data[at : at + 4] = b"\x01\x02\x03\x04"
    with pytest.raises(AudioError, match=r"was not decoded completely|is incomplete"):
        heard(bytes(data))


def test_a_live_webm_without_lengths_is_accepted() -> None:
    data = recording(clip("tt-weasels"), *KINDS["webm"])
    at = data.index(b"\x18\x53\x80\x67") + 4
    assert heard(data[:at] + b"\x01" + b"\xff" * 7 + data[at + 8 :]) == pytest.approx(length("tt-weasels"), abs=0.1)
