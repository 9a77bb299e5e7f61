"""Moderate recordings and texts in a Python program. docs/api.md is the manual."""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pipeline.base.errors import AudioError, ParameterError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, SpeechStatus, Suggestion, by_time
from pipeline.contract.topology import TRANSCRIBE
from pipeline.settings import ReaderSettings, Settings, load

if TYPE_CHECKING:
    from pipeline.judge.judge_stage import Judge, Rules
    from pipeline.runner.recordings_runner import Found
    from pipeline.speech.asr.recogniser import Recogniser

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModeratedFile:
    """The result for a recording. docs/contract.md describes the flags; their times are seconds in the recording."""

    utterances: tuple[Flag, ...]
    """One flag for each utterance, by time. Harmless speech has the suggestion `pass`."""
    suggestion: Suggestion | None
    """The worst suggestion of the utterances. None: none was judged, and it was not read or not heard to its end."""
    seconds: float
    """Length of the recording."""
    speech_seconds: float
    """Seconds of speech in it."""
    unheard: tuple[SpeechStatus, ...] = ()
    """The utterances that have no flag, by time: each was `skipped` or `failed`, for a `reason`."""
    error: str | None = None
    """Why the rest of the recording could not be read."""


class Moderator:
    """Finds what breaks the rules, as `voxwarden moderate` and `voxwarden judge` do. Nothing is stored.

    `overrides` are settings that replace the ones of the environment and the settings file, e.g.
    `{"judge": {"policy": "strict"}}`. Each model is loaded when it is first needed. Raises ConfigError for a wrong
    setting. Several threads may use one moderator.
    """

    def __init__(self, overrides: Mapping[str, Any] | None = None) -> None:
        self._settings = load(dict(overrides or {}))
        self._metrics = Metrics()
        self._turn = Lock()
        self._rules: Rules | None = None

    @classmethod
    def of(cls, settings: Settings, rules: "Rules | None" = None) -> Self:
        """Make a moderator with these settings. Without `rules`, it uses the files of the settings."""
        moderator = cls.__new__(cls)
        moderator._settings, moderator._metrics, moderator._turn = settings, Metrics(), Lock()
        moderator._rules = rules
        return moderator

    def load_models(self) -> None:
        """Load all models now, so that nobody waits for them later. Raises WeightsMissing."""
        with self._turn:
            self._models  # noqa: B018 - a cached property

    @property
    def models(self) -> tuple[str, str]:
        """The names of the classifier and of the recogniser."""
        self.load_models()
        judge, recogniser = self._models
        return judge.model, recogniser.name

    def file(self, path: str | os.PathLike[str], *, room_type: str = "default") -> ModeratedFile:
        """Moderate a recording of any format that FFmpeg opens. `room_type` selects rules of the policy.

        Raises AudioError if no audio can be read, and WeightsMissing if there are no weights of the recogniser.
        """
        self.load_models()
        return _run(self._moderated(Path(path), room_type))

    def texts(
        self, texts: Iterable[str], *, language: str | None = None, room_type: str = "default"
    ) -> tuple[Flag, ...]:
        """Judge texts: one flag for each, in order. `language` is an ISO 639-1 code; without it, the script decides.

        A text in a script that is not judged has the language `unsupported`, and its `verdict` is None. Raises
        ParameterError, which names the languages, if texts in `language` are not judged, and if `texts` is one text.
        """
        from pipeline.judge.lexicon import language_to_judge
        from pipeline.judge.text_transcripts import Text, judge_texts

        if isinstance(texts, str):  # else each of its characters would be judged as a text, and pass
            raise ParameterError("texts", "it is one text", "Give a list of texts.")
        if language is not None and language not in self._languages:
            known = ", ".join(self._languages)
            raise ParameterError("language", f"{language!r} is not judged", f"Use one of: {known}.")
        given = [Text(text, language_to_judge(text, language, self._languages), room_type) for text in texts]
        with self._turn:
            return tuple(judge_texts(self._judge, given))

    async def results(
        self,
        path: Path,
        room_type: str = "default",
        name: str | None = None,
        longest: float = math.inf,
        batch: int = TRANSCRIBE.batch,
        *,
        beside_live: bool = False,
    ) -> "AsyncIterator[Found]":
        """Yield the end of each utterance of a recording, its flag or its status, and then the recording's report.

        Errors name the recording `name`. Only its first `longest` seconds are moderated. At most `batch` utterances are
        transcribed at once. `beside_live` says whether the process moderates live rooms, too. Their speech goes first.
        """
        from pipeline.runner.recordings_runner import Recordings

        names = {path: name} if name else {}
        rules = self._rules.now if self._rules else None  # one version judges a whole recording
        # Each recording would have a budget of its own for the second reader.
        settings = self._settings.model_copy(update={"reader": ReaderSettings()})
        recordings = Recordings(
            [path], settings, self._metrics, room_type, names, longest, rules, batch, beside_live=beside_live
        )
        async for found in recordings:
            yield found

    async def _moderated(self, path: Path, room_type: str) -> ModeratedFile:
        flags: list[Flag] = []
        unheard: list[SpeechStatus] = []
        async for found in self.results(path, room_type):
            if isinstance(found, Flag):
                flags.append(found)
            elif isinstance(found, SpeechStatus):
                unheard.append(found)
            else:
                report = found
        if report.error and not report.seconds:
            raise AudioError(report.error)
        return ModeratedFile(
            by_time(flags), report.suggestion, report.seconds, report.speech_seconds, by_time(unheard), report.error
        )

    @cached_property
    def _models(self) -> "tuple[Judge, Recogniser]":
        from pipeline.speech.asr import recogniser

        return self._judge, recogniser.load_recogniser(self._settings.asr)

    @cached_property
    def _languages(self) -> Sequence[str]:
        """The languages in which texts are judged, by code."""
        from pipeline.judge.lexicon import judged_languages

        return sorted(judged_languages(self._settings.judge))

    @cached_property
    def _judge(self) -> "Judge":
        from pipeline.judge.judge_stage import build

        return build(self._settings, self._metrics, self._rules)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where an event loop runs already, e.g. in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    # `asyncio.run` refuses to run inside another loop of the same thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
