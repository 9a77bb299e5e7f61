"""Make the recordings of drills that Voxwarden ships: python -m training.speech.drills --audio DIR [--voices COMMAND]

Each sentence of pipeline/assessment/drills.yaml becomes an Ogg Opus file in pipeline/assessment/drill_recordings/.
Existing files stay, and files of other words are removed. `--audio` and `--voices` are those of
`python -m training.speech`; the voices are Kokoro-82M's.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from pipeline.assessment import drill_speech
from pipeline.assessment.drill_speech import SHIPPED, Book, DrillLine, lines_of
from pipeline.base.user_files import read_user_file
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_opus_clip
from training.commands import errors_in_a_line, notes
from training.speech.recordings import Line, recording, speak

VOICES: Mapping[str, Sequence[str]] = {"en": ("af_heart", "am_michael"), "zh": ("zf_xiaoxiao", "zm_yunxi")}
"""The clear voices of the demo. A drill tests the service, not how well it understands unclear voices."""


class SpokenLine(Line):
    @property
    def voice(self) -> str:
        return Random(self.text).choice(VOICES[self.language])


def shipped_lines() -> list[DrillLine]:
    """Return all sentences of the shipped file, also those of labels that no shipped policy turns on."""
    book = read_user_file(SHIPPED, Book)
    return lines_of(book, book.lines)


def make(audio: Path, command: str | None) -> int:
    """Make the missing recordings, and remove those of other words. Return the number made. Raises ConfigError."""
    files = {drill_speech.recording(line): line for line in shipped_lines()}
    wanted = {
        file: SpokenLine(line.language, line.label, line.text) for file, line in files.items() if not file.is_file()
    }
    speak([*wanted.values()], audio, command)
    drill_speech.RECORDINGS.mkdir(exist_ok=True)
    for file, line in wanted.items():
        file.write_bytes(encode_opus_clip(samples_of(recording(audio, line))))
    for file in drill_speech.RECORDINGS.iterdir():
        if file not in files:
            file.unlink()
    return len(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True, help="folder for the recordings")
    parser.add_argument("--voices", help="shell command that makes missing recordings")
    options = parser.parse_args()
    with errors_in_a_line():
        notes.print(f"{make(options.audio, options.voices)} recordings made")


if __name__ == "__main__":
    main()
