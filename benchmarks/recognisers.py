"""The recognisers that `benchmarks.asr` compares: ours, and others as their users call them, on the same weights."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from pipeline.base.compute_device import find_device
from pipeline.base.cpu_cores import cores
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Transcript
from pipeline.contract.topology import SEGMENT, TRANSCRIBE
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Asr, Settings
from pipeline.speech.asr import whisper_weights
from pipeline.speech.asr.file_transcription import UtteranceFiles, transcribed, utterance_of
from pipeline.speech.asr.recogniser import Samples, load_recogniser
from pipeline.speech.asr.transcribe_stage import Transcribe, build_for_texts
from pipeline.speech.audio.encode import encode_flac


class Recognised(msgspec.Struct, frozen=True):
    text: str
    seconds: float
    """Duration of the call."""
    silent: bool = False
    """The recogniser reports that nobody spoke."""


Recognise = Callable[[Sequence[Samples]], list[Recognised]]


def ours(asr: Asr, take: int = TRANSCRIBE.batch) -> Recognise:
    """The transcribe stage, `take` clips at a time."""
    stage, rooms = Transcribe(load_recogniser(asr), asr, Metrics()), count()

    def recognise(clips: Sequence[Samples]) -> list[Recognised]:
        found: list[Recognised] = []
        for at in range(0, len(clips), take):
            batch = [utterance_of(f"room-{next(rooms)}", clip) for clip in clips[at : at + take]]
            began = time.perf_counter()
            results = stage.process(batch)
            took = time.perf_counter() - began
            found += [
                Recognised(each.text, took, "no_speech" in each.marks)
                for each in results
                if isinstance(each, Transcript)
            ]
        return found

    return recognise


def command(asr: Asr) -> Recognise:
    """`voxwarden transcribe --whole` on files of the clips, after it has loaded its model."""
    settings, metrics = Settings(asr=asr), Metrics()
    segment, stage = build_processor(SEGMENT, settings, metrics), build_for_texts(settings, metrics)

    def recognise(clips: Sequence[Samples]) -> list[Recognised]:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{number}.flac" for number in range(len(clips))]
            for file, clip in zip(files, clips, strict=True):
                file.write_bytes(encode_flac(clip))
            began = time.perf_counter()
            results = [found for _, found in transcribed(UtteranceFiles(files, segment, whole=True), stage)]
            took = time.perf_counter() - began
        return [
            Recognised(each.text, took, "no_speech" in each.marks) for each in results if isinstance(each, Transcript)
        ]

    return recognise


def openai_as_called(asr: Asr) -> Recognise:
    from pipeline.speech.asr.openai_whisper_weights import model_of

    found = whisper_weights.find_weights(_with(asr, "openai-whisper"))
    model = model_of(found, find_device(asr.device))
    return one_by_one(partial(_openai, model, asr.language))


def _openai(model: Any, language: str | None, clip: Samples) -> str:
    text: str = model.transcribe(clip, language=language, fp16=model.device.type == "cuda")["text"]
    return text


def faster(asr: Asr, *, threads: int, callers: int = 1, batched: bool = False) -> Recognise:
    """faster-whisper with its defaults: beam 5, int8 on a CPU and float16 on a GPU."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    device = find_device(asr.device).partition(":")[0]
    found = whisper_weights.find_weights(_with(asr, "ctranslate2"))
    with tempfile.TemporaryDirectory() as folder:
        for file in found.files:
            (Path(folder) / file).write_bytes(found.read(file))
        model: Any = WhisperModel(
            folder,
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            cpu_threads=threads,
            num_workers=callers,
        )
    if batched:
        model = BatchedInferencePipeline(model)
    return one_by_one(partial(_faster, model, asr.language), callers)


def _faster(model: Any, language: str | None, clip: Samples) -> str:
    segments, _ = model.transcribe(clip, language=language)
    return " ".join(segment.text for segment in segments)


def _with(asr: Asr, engine: str) -> Asr:
    return asr.model_copy(update={"engine": engine})


def one_by_one(recognise: Callable[[Samples], str], callers: int = 1) -> Recognise:
    def timed(clip: Samples) -> Recognised:
        began = time.perf_counter()
        return Recognised(recognise(clip), time.perf_counter() - began)

    def run(clips: Sequence[Samples]) -> list[Recognised]:
        with ThreadPoolExecutor(callers) as pool:
            return list(pool.map(timed, clips))

    return run


MAKE: Mapping[str, Callable[[Asr], Recognise]] = {
    "faster-whisper": lambda asr: faster(asr, threads=cores()),
    "faster-whisper, a caller a core": lambda asr: faster(asr, threads=1, callers=cores()),
    "faster-whisper, batched": lambda asr: faster(asr, threads=cores(), batched=True),
    "ours, the command": command,
    "ours, ctranslate2": lambda asr: ours(_with(asr, "ctranslate2")),
    "ours, ctranslate2, one at a time": lambda asr: ours(_with(asr, "ctranslate2"), take=1),
    "openai-whisper": openai_as_called,
    "ours, openai-whisper": lambda asr: ours(_with(asr, "openai-whisper")),
    "ours, openai-whisper, one at a time": lambda asr: ours(_with(asr, "openai-whisper"), take=1),
}
CPU_ONLY = ("ours, ctranslate2", "ours, ctranslate2, one at a time")
"""The contenders that use no GPU."""
