"""Word and character error rates of our engine, beside openai-whisper called directly with the same weights.

    python -m benchmarks.wer --clips DIR [--model base] [--only ours|direct] [--texts FILE]

`DIR/refs.tsv` has the columns file, language, source, seconds, reference. English is scored by words after Whisper's
own normaliser; Mandarin by characters, simplified, without punctuation, clean and hard clips apart. Every clip is a
room of its own, so that no prior helps; both tell the language themselves.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np
from opencc import OpenCC

from pipeline.asr import weights
from pipeline.asr.checkpoint import model_of
from pipeline.asr.openai_whisper import device_of
from pipeline.asr.recordings import Recordings, transcribed
from pipeline.asr.transcriber import Samples
from pipeline.audio.decode import read_file
from pipeline.errors import VoxwardenError
from pipeline.messages import SAMPLE_RATE
from pipeline.metrics import Metrics
from pipeline.settings import Asr, Settings
from pipeline.topology import SEGMENT, TRANSCRIBE

CLEAN_MANDARIN = frozenset({"fireredasr"})
"""Sources of clear, near speech; other Mandarin is far, fast, sung or dialect."""

CLEAN_ENGLISH = frozenset({"asterisk", "librivox"})

Recognise = Callable[[Sequence[Path]], list[str]]


class Reference(NamedTuple):
    file: str
    language: str
    source: str
    text: str

    @property
    def group(self) -> str:
        clean = CLEAN_ENGLISH if self.language == "en" else CLEAN_MANDARIN
        return f"{self.language} {'clean' if self.source in clean else 'hard'}"


def references(folder: Path) -> list[Reference]:
    with (folder / "refs.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Reference(row["file"], row["language"], row["source"], row["reference"]) for row in rows]


def ours(asr: Asr) -> Recognise:
    """`voxwarden transcribe --whole`: clips of more than 30 s are cut at pauses."""
    settings, metrics = Settings(asr=asr), Metrics()
    segment, stage = SEGMENT.processor(settings, metrics), TRANSCRIBE.processor(settings, metrics)

    def recognise(files: Sequence[Path]) -> list[str]:
        texts: dict[Path, list[str]] = {file: [] for file in files}
        for file, heard in transcribed(Recordings(files, segment, whole=True), stage, asr.batch):
            if isinstance(heard, VoxwardenError):
                raise heard
            texts[file].append(heard.text)
        return [" ".join(parts) for parts in texts.values()]

    return recognise


def direct(asr: Asr) -> Recognise:
    """`whisper.load_model(...).transcribe(...)` as its users call it."""
    model = model_of(weights.find(asr), device_of(asr.device))
    fp16 = model.device.type == "cuda"
    return lambda files: [model.transcribe(samples_of(file), fp16=fp16)["text"] for file in files]


def samples_of(file: Path) -> Samples:
    return np.concatenate(list(read_file(file)))


def normalisers() -> dict[str, Callable[[str], str]]:
    from whisper.normalizers import EnglishTextNormalizer  # PyTorch must not come before pipeline's OpenMP settings

    simplified = OpenCC("t2s")
    return {
        "en": EnglishTextNormalizer(),
        "zh": lambda text: " ".join(letter for letter in simplified.convert(text).lower() if letter.isalnum()),
    }


def errors(refs: Sequence[Reference], texts: Sequence[str]) -> Iterator[tuple[str, float, int]]:
    """(group, error rate in per cent, words or characters) for each group of clips, and all English together."""
    normalise = normalisers()
    groups = sorted({ref.group for ref in refs} | {ref.language for ref in refs})
    for group in groups:
        pairs = [(ref, text) for ref, text in zip(refs, texts, strict=True) if group in {ref.group, ref.language}]
        wanted = [normalise[ref.language](ref.text) for ref, _ in pairs]
        heard = [normalise[ref.language](text) for ref, text in pairs]
        yield group, 100 * jiwer.wer(wanted, heard), sum(len(text.split()) for text in wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--model", default="base")
    parser.add_argument("--only", choices=("ours", "direct"))
    parser.add_argument("--texts", type=Path, help="write what was heard here, as JSON")
    options = parser.parse_args()
    asr, refs, texts = Asr(model=options.model), references(options.clips), {}
    files = [options.clips / ref.file for ref in refs]
    seconds = sum(len(samples_of(file)) for file in files) / SAMPLE_RATE
    for name, make in {"ours": ours, "direct": direct}.items():
        if options.only in {None, name}:
            recognise = make(asr)
            began = time.perf_counter()
            texts[name] = recognise(files)
            took = time.perf_counter() - began
            print(f"{name}: {seconds:.0f} s of speech in {took:.0f} s, {seconds / took:.2f} s/s")
            for group, rate, size in errors(refs, texts[name]):
                print(f"  {group:9} {'WER' if group.startswith('en') else 'CER'} {rate:6.2f} %  of {size}")
    if options.texts:
        found = [{"file": ref.file} | {name: heard[i] for name, heard in texts.items()} for i, ref in enumerate(refs)]
        options.texts.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
