"""Libraries that may be missing, data files of packages, and imports without the collection of garbage.

A run without PyTorch is another process, in which the packages of the full install cannot be imported.
"""

import gc
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.base.libraries import (
    LIBRARIES,
    data_file,
    importing,
    install_extra,
    installed,
    missing_modules,
    require,
    without_collection,
)
from tests.deploy.files import ROOT

SPEECH = ROOT / "tests" / "data" / "tt-weasels.flac"
BLOCKED = ("torch", "transformers", "whisper", "numba", "triton", "tiktoken", "silero_vad", "ai_edge_litert")
"""No import of these succeeds where `sys.modules` says None; `find_spec` finds none of them either."""
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED}))"
START = f"{BLOCK}; from agents.commands.command_line import main; main()"
IMPORT_ALL = f"""{BLOCK}
import agents, pipeline, pkgutil
for package in (agents, pipeline):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__") and "migrations" not in module.name:
            try:
                __import__(module.name)
            except ImportError:
                print(module.name)
"""


def slim(*arguments: str | Path, cwd: Path, model: str = "tiny.en") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START, "--set", f"asr.model={model}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=cwd)


@pytest.mark.full
def test_only_the_other_engines_the_second_ear_and_the_training_need_pytorch() -> None:
    shown = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=True, cwd=ROOT)
    training = {name for name in shown.stdout.split() if name.startswith("pipeline.learning.")}
    whisper = {"openai_whisper_decoding", "openai_whisper_engine", "openai_whisper_weights"}
    gpu = {"pipeline.base.gpu_memory", "pipeline.judge.onnx_weights"}
    engines = {"pipeline.judge.transformers_model", *(f"pipeline.speech.asr.{name}" for name in whisper)}
    listen = {"pipeline.sound.audio_classifier", "pipeline.judge.transformers_model"}
    assert set(shown.stdout.split()) - training == engines | listen | gpu
    assert "pipeline.learning.fine_tuning" in training


@pytest.mark.weights
def test_a_recording_is_moderated_without_pytorch(tmp_path: Path) -> None:
    shown = slim("moderate", SPEECH, "--format", "jsonl", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    texts = [line["text"] for line in map(json.loads, shown.stdout.splitlines()) if line["kind"] == "utterance"]
    assert "weasels" in " ".join(texts).lower()


def test_texts_are_judged_without_pytorch(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("i am going to kill you\nwelcome back everyone\n", "utf-8")
    shown = slim("judge", "texts.txt", "--format", "jsonl", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    first, second = map(json.loads, shown.stdout.splitlines()[:2])
    assert first["risk"] > second["risk"]


@pytest.mark.parametrize(
    ("setting", "command", "install"),
    [
        ("asr.engine=openai-whisper", ("moderate", SPEECH), "pip install openai-whisper"),
        (f"judge.model=owner/name@{'0' * 40}", ("judge", "texts.txt"), "pip install transformers torch"),
    ],
)
def test_the_error_for_a_missing_library_is_one_line_with_the_install_command(
    setting: str, command: tuple[str | Path, ...], install: str, tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_text("hello\n", "utf-8")
    shown = slim("--set", setting, *command, cwd=tmp_path)
    assert shown.returncode == 2
    errors = [line for line in shown.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert setting.partition("=")[0] in errors[0]
    assert f"`{install}`" in errors[0]
    assert "Traceback" not in shown.stderr


def test_a_wrong_size_is_named_without_pytorch(tmp_path: Path) -> None:
    shown = slim("moderate", SPEECH, cwd=tmp_path, model="huge")
    assert shown.returncode == 2
    assert "'huge' is neither a Whisper size nor a path" in shown.stderr


def test_the_doctor_says_which_engines_are_installed(tmp_path: Path) -> None:
    shown = " ".join(slim("doctor", cwd=tmp_path).stdout.split())
    assert re.search(
        r"engines: no ai-edge-litert \(`pip install ai-edge-litert`\), ctranslate2 \d\S+, "
        r"no openai-whisper \(`pip install openai-whisper`\), no transformers \(`pip install transformers torch`\)",
        shown,
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_full_install_lacks_nothing(library: str) -> None:
    require(library, "a setting")
    assert missing_modules(library) == []
    assert installed(library).startswith(f"{library} ")


def test_all_that_a_library_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch", "numba"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"asr\.engine: openai-whisper needs torch and numba"):
        require("openai-whisper", "asr.engine: openai-whisper")


def test_a_missing_library_of_an_extra_is_named_with_its_install() -> None:
    message = r"no_such_module is not installed\. Install it: pip install 'aiohttp>=3\.10' 'livekit"
    with pytest.raises(ConfigError, match=message), importing("livekit"):
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize("extra", ["console", "livekit", "postgres", "reader", "report", "s3", "yamnet"])
def test_the_install_of_an_extra_names_its_packages(extra: str) -> None:
    """Packages that an index has, unlike `voxwarden[EXTRA]`."""
    command = shlex.split(install_extra(extra))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"][extra]
    assert command[:2] == ["pip", "install"]
    assert sorted(command[2:]) == sorted(declared)


def test_nothing_is_collected_in_the_block_only() -> None:
    assert gc.isenabled()
    with without_collection(), without_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_failed_import_turns_it_on_again() -> None:
    with pytest.raises(ModuleNotFoundError), without_collection():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_a_process_without_collection_stays_so() -> None:
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_file_of_an_installed_package_is_found() -> None:
    file = data_file("openai-whisper", "whisper/assets/mel_filters.npz")
    assert file is not None
    assert file.stat().st_size > 0


def test_no_package_and_no_file_give_none() -> None:
    assert data_file("no-such-package-anywhere", "whisper/assets/mel_filters.npz") is None
    assert data_file("openai-whisper", "whisper/assets/no-such-file") is None
