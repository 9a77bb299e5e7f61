"""Compare FLAC and Opus for `voice.utterances`: bytes, CPU, and the effect on recognised words.

    python -m benchmarks.wire --clips DIR [--wer] [--model base]

`DIR/refs.tsv` has the columns file, language, source, seconds, reference. CPU is for one core, encoding and decoding
together. `--wer` also transcribes every clip after a round trip through each codec.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.clips import Reference, errors, references
from benchmarks.recognisers import ours
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr
from pipeline.speech.audio.decode import read_bytes, samples_of
from pipeline.speech.audio.encode import encode_flac, encode_opus_clip
from pipeline.speech.audio.resample import Samples

Encode = Callable[[Samples], bytes]

CODECS: dict[str, Encode] = {
    "flac": encode_flac,
    "opus 32k": partial(encode_opus_clip, bitrate=32_000),
    "opus 24k": partial(encode_opus_clip, bitrate=24_000),
    "opus 16k": partial(encode_opus_clip, bitrate=16_000),
}


def cost(clips: Sequence[Samples], encode: Encode) -> str:
    seconds = sum(clip.size for clip in clips) / SAMPLE_RATE
    start = time.process_time()
    coded = [encode(clip) for clip in clips]
    between = time.process_time()
    for data in coded:
        read_bytes(data, "clip", 600)
    end = time.process_time()
    size = sum(map(len, coded)) / seconds
    encoding, decoding = 1000 * (between - start) / seconds, 1000 * (end - between) / seconds
    return f"{size:8,.0f} bytes/s   encode {encoding:5.2f} ms/s   decode {decoding:5.2f} ms/s"


def words(refs: Sequence[Reference], clips: Sequence[Samples], encode: Encode, asr: Asr) -> str:
    recognised = ours(asr)([read_bytes(encode(clip), "clip", 600)[0] for clip in clips])
    return "   ".join(f"{group} {rate:.2f} %" for group, rate, _ in errors(refs, [each.text for each in recognised]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--wer", action="store_true")
    parser.add_argument("--model", default="base")
    options = parser.parse_args()
    refs = references(options.clips)
    clips = [samples_of(options.clips / ref.file) for ref in refs]
    print(f"{len(clips)} clips, {sum(clip.size for clip in clips) / SAMPLE_RATE:.0f} s; PCM is 32,000 bytes/s")
    for name, encode in CODECS.items():
        print(f"{name:9} {cost(clips, encode)}", flush=True)
    if options.wer:
        for name, encode in CODECS.items():
            print(f"{name:9} {words(refs, clips, encode, Asr(model=options.model))}", flush=True)


if __name__ == "__main__":
    main()
