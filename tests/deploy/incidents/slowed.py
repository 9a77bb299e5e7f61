"""`python -m agents` with a recogniser that can be slowed down while it runs, as on a GPU that gets too hot.

It reads the seconds for each utterance from the file that the variable SLOWED_BY names. Whisper is real.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from agents.commands.command_line import main
from pipeline.settings import Asr
from pipeline.speech.asr.recogniser import Clip, HasRoom, Recogniser, Recognition, always_room, load_recogniser

FILE = "SLOWED_BY"


class Slowed(Recogniser):
    """Transcribes with `inner`, after a pause for each clip."""

    def __init__(self, inner: Recogniser, file: Path) -> None:
        self._inner, self._file = inner, file

    @property
    def name(self) -> str:
        return self._inner.name

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        time.sleep(float(self._file.read_text()) * len(clips))
        return self._inner.transcribe(clips, words=words, has_room=has_room)


def slowed(asr: Asr) -> Recogniser:
    return Slowed(load_recogniser(asr), Path(os.environ[FILE]))


if __name__ == "__main__":
    with patch("pipeline.speech.asr.transcribe_stage.load_recogniser", slowed):
        main()
