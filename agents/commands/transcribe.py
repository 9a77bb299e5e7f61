"""`voxwarden transcribe`: transcribe recordings."""

import os
import sys
from collections import Counter
from contextlib import closing
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agents.commands.app import Exit, app, branch_of, say_error, settings_of
from agents.commands.paths import Named, RecordingPaths, recordings, seconds_of
from agents.commands.terminal import harmless, json_text, progress_bar
from pipeline.base.errors import VoxwardenError
from pipeline.contract.messages import Transcript
from pipeline.settings import Settings
from pipeline.speech.asr.transcripts import VTT_HEADER, error_line, json_line, srt_cue, timed, vtt_cue


class TranscribeFormat(StrEnum):
    TXT = "txt"
    JSONL = "jsonl"
    SRT = "srt"
    VTT = "vtt"


@app.command()
def transcribe(
    ctx: typer.Context,
    paths: RecordingPaths,
    engine: Annotated[str | None, typer.Option(help="Speech recogniser, instead of asr.engine.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language, e.g. zh. Default: detected for each utterance.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Do not cut recordings of at most 30 s.")] = False,
    words: Annotated[bool, typer.Option("--words", help="Add word times to jsonl (slower).")] = False,
    form: Annotated[
        TranscribeFormat,
        typer.Option("--format", help="txt for a person, jsonl for a program, srt or vtt for subtitles."),
    ] = TranscribeFormat.TXT,
) -> None:
    """Transcribe recordings: speech to text, without judging the text.

    Use it for transcripts or subtitles. Results appear as they are ready, in the order of the files, subtitles when the
    recording has ended. Long recordings are cut at pauses. A file that cannot be read to its last byte is reported on
    stderr, and with jsonl also as {"file", "error"}. The others are still transcribed, and the exit code is 3.

    Examples:
      voxwarden transcribe call.wav
      voxwarden transcribe recordings/ --format jsonl > transcripts.jsonl
      voxwarden transcribe talk.mp3 --language en --format srt > talk.srt
      arecord -f cd -d 10 | voxwarden transcribe -
    """
    chosen = {"engine": engine, "language": language, "words": words or None}
    asr = branch_of(ctx.find_root().obj, "asr")
    # As if they came from --set, so that loading checks them.
    asr.update({key: value for key, value in chosen.items() if value is not None})
    settings = settings_of(ctx)
    with recordings(paths) as named:
        if form in {TranscribeFormat.SRT, TranscribeFormat.VTT} and len(named.files) > 1:
            raise typer.BadParameter(
                "srt and vtt work with one recording; name one file, or use jsonl", param_hint="--format"
            )
        # Errors first: they take no model, and a file that cannot be read is known within a second.
        writer, errors = _Writer(form, several=len(named.files) > 1), named.errors()
        if len(errors) < len(named.files):
            raise typer.Exit(_transcribe(settings, named, writer, whole=whole))
        for name, error in errors.items():
            writer.write(Path(name), error)
        raise typer.Exit(Exit.FAILED)


def _transcribe(settings: Settings, named: Named, writer: "_Writer", *, whole: bool) -> Exit:
    from agents.commands.results import say_unheard
    from pipeline.base.metrics import Metrics
    from pipeline.contract.speech_status import skipped
    from pipeline.contract.topology import SEGMENT
    from pipeline.runner.stage_processor import build_processor
    from pipeline.speech.asr.file_transcription import UtteranceFiles, transcribed
    from pipeline.speech.asr.transcribe_stage import build_for_texts

    metrics, code, unheard = Metrics(), Exit.CLEAN, Counter[tuple[str, str]]()
    segment, stage = build_processor(SEGMENT, settings, metrics), build_for_texts(settings, metrics)
    with progress_bar() as progress, closing(writer):
        task = progress.add_task("listening", total=seconds_of(named.files))
        utterances = UtteranceFiles(named.files, segment, whole, partial(progress.advance, task), named.names)
        for path, result in transcribed(utterances, stage):
            writer.write(Path(named.names.get(path, path)), result)
            if isinstance(result, VoxwardenError):
                code = Exit.FAILED
            elif result.skipped:
                status = skipped(result)
                unheard[status.reason, status.language] += 1
    say_unheard(unheard, "transcribed", "To transcribe them, use --language {language}.")
    return code


class _Writer:
    """Writes results to stdout as they arrive, and subtitles by time at the end.

    Errors go to stderr, and with jsonl to both.
    """

    def __init__(self, form: TranscribeFormat, *, several: bool) -> None:
        self._form = form
        self._several = several
        self._shown: list[Transcript] = []

    def close(self) -> None:
        if self._form is TranscribeFormat.VTT:
            self._put(VTT_HEADER)
        for number, (transcript, end) in enumerate(timed(self._shown), 1):
            text = harmless(transcript.text)
            vtt = self._form is TranscribeFormat.VTT
            self._put(vtt_cue(transcript.start, end, text) if vtt else srt_cue(number, transcript.start, end, text))

    def write(self, path: Path, result: Transcript | VoxwardenError) -> None:
        file = os.fsencode(path).decode(errors="replace")
        if isinstance(result, Transcript):
            self._write(file, result)
            return
        say_error(result)
        if self._form is TranscribeFormat.JSONL:
            self._put(json_text(error_line(file, result)))

    def _write(self, file: str, transcript: Transcript) -> None:
        if self._form is TranscribeFormat.JSONL:
            self._put(json_text(json_line(file, transcript)))
            return
        if not transcript.text:
            return
        if self._form is TranscribeFormat.TXT:
            self._put(harmless(f"{file}\t{transcript.text}\n" if self._several else f"{transcript.text}\n"))
        else:
            self._shown.append(transcript)

    @staticmethod
    def _put(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
