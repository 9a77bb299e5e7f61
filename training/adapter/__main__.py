"""Train the Mandarin adapter of Whisper on training lines in synthesised voices.

    python -m training.adapter --data DIR --audio DIR [--voices COMMAND] [--lines N] [--takes N] [--out FILE]

`--data` holds the training sets (docs/learning.md). `--audio` and `--voices` work as in training/speech/__main__.py.
The defaults are those of the shipped adapter.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.settings import Asr
from pipeline.speech.asr import whisper_weights
from pipeline.speech.asr.openai_whisper_weights import model_of
from pipeline.speech.asr.whisper_adapter import adapter_path
from pipeline.speech.languages import SHIPPED
from training.adapter.clips import LANGUAGE, lines, training_clips
from training.adapter.teach import AdapterRecipe, teach
from training.commands import errors_in_a_line, notes
from training.speech.recordings import speak


def make(options: argparse.Namespace) -> None:
    wanted = lines(options.data, options.lines)
    speak(wanted, options.audio, options.voices)
    model = model_of(whisper_weights.find_weights(Asr()), "cpu")
    clips = [*training_clips(wanted, options.audio, model.dims.n_mels, options.takes)]
    factors = teach(model, LANGUAGE, clips, AdapterRecipe(), notes.print)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(options.out, allow_pickle=False, **factors)


def main() -> None:
    with errors_in_a_line():
        make(arguments())


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--audio", type=Path, required=True, help="recordings of the lines")
    parser.add_argument("--voices", help="shell command that makes missing recordings")
    parser.add_argument("--lines", type=int, default=1409, help="number of lines to draw (default: %(default)s)")
    parser.add_argument("--takes", type=int, default=4, help="clips for each line (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=SHIPPED / LANGUAGE / adapter_path("base"))
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
