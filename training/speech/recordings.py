"""Lines that a speech synthesiser speaks. The project depends on none: a command of the user makes the recordings."""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from pipeline.base.errors import ConfigError

VOICES: Mapping[str, str] = {
    "en": """
        af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam
        am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily
        bm_daniel bm_fable bm_george bm_lewis joe joe joe joe
    """,
    "zh": "zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang",
}
"""Kokoro-82M's voices by language, and `joe` of Piper. A voice that is listed more than once is selected more often."""
FLITE = ("awb", "rms", "slt")
"""Voices of Flite, which no training clip and no test clip has."""


class Line(NamedTuple):
    """A sentence. A hash of its text selects the voice, so a new sentence changes no other."""

    language: str
    label: str
    text: str

    @property
    def id(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def voice(self) -> str:
        return Random(self.text).choice(VOICES[self.language].split())


class TrainingLine(Line):
    """A line in a mix of two voices, `a+b`, which no test has."""

    @property
    def voice(self) -> str:
        one, other = Random(self.text).sample(sorted({*VOICES[self.language].split()} - {"joe"}), 2)
        return f"{one}+{other}"


class ValidationLine(TrainingLine):
    @property
    def voice(self) -> str:
        return Random(self.text).choice(FLITE) if self.language == "en" else super().voice


def recording(audio: Path, line: Line) -> Path:
    return audio / f"{line.id}.flac"


def speak(wanted: Sequence[Line], audio: Path, command: str | None) -> None:
    """Let `command` make the recordings that `audio` lacks; raises ConfigError if some are still missing.

    It is a shell command that reads lines of file, language, voice and text, separated by tabs, and writes each file.
    """
    if command and (missing := _missing(wanted, audio)):
        audio.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{recording(audio, s)}\t{s.language}\t{s.voice}\t{s.text}\n" for s in missing)
        status = subprocess.run(command, shell=True, input=lines, text=True, check=False).returncode  # noqa: S602
        if status:
            raise ConfigError(f"--voices: the command ended with status {status}", "See the command's own messages.")
    if missing := _missing(wanted, audio):
        raise ConfigError(
            f"--audio: {len(missing)} of {len(wanted)} recordings are not in {audio}, e.g. {missing[0].id}.flac",
            "Name a command that makes them with --voices.",
        )


def _missing(wanted: Sequence[Line], audio: Path) -> list[Line]:
    return [line for line in wanted if not recording(audio, line).exists()]
