"""Speech as payloads of RTP, and what a listener should hear of it."""

from collections.abc import Sequence
from functools import cache
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from pipeline.connect.rtp.rtp_timeline import CLOCK, LAW, RtpCodec
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Resampler, from_pcm, not_cancelled, planes

TICKS: dict[RtpCodec, int] = {codec: clock // 50 for codec, clock in CLOCK.items()}
"""Ticks of 20 ms."""


@cache
def payloads(codec: RtpCodec, count: int = 50) -> tuple[bytes, ...]:
    """Return packets of 20 ms of a voice-like sound, made by FFmpeg's encoder."""
    rate = CLOCK[codec]
    encoder = cast(AudioCodecContext, av.CodecContext.create(LAW.get(codec, "libopus"), "w"))
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    if codec == "opus":
        encoder.options = {"frame_duration": "20", "application": "voip"}
    encoder.open()
    time = np.arange(count * rate // 50) / rate
    sound = np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 3 * time) + np.random.default_rng(0).normal(
        0, 0.1, time.size
    )
    pcm = (sound.clip(-1, 1) * 16_000).astype(np.int16)
    made = []
    for part in pcm.reshape(count, -1):
        frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
        frame.sample_rate = rate
        made += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(made[:count])


def heard(codec: RtpCodec, parts: Sequence[bytes | int]) -> bytes:
    """Return the 16 kHz PCM of payloads, and of silence (a number of ticks) between them."""
    decoder = cast(AudioCodecContext, av.CodecContext.create(LAW.get(codec, "libopus"), "r"))
    decoder.sample_rate, decoder.layout = CLOCK[codec], "stereo" if codec == "opus" else "mono"
    resampler, samples = Resampler(CLOCK[codec]), []
    for part in parts:
        if isinstance(part, int):
            samples.append(resampler.push(np.zeros(part, np.float32)))
        else:
            frames = decoder.decode(av.Packet(part))
            samples += [resampler.push(from_pcm(planes(frame), not_cancelled)[0]) for frame in frames]
    return to_pcm16(np.concatenate([*samples, resampler.flush()]))
