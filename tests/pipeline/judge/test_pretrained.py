"""Which files a model comes with: those of its folder, or those that the hub has at its commit."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

from pipeline.base.errors import DependencyError
from pipeline.judge import pretrained
from pipeline.judge.pretrained import Pretrained

COMMIT = "0123456789abcdef" * 2 + "01234567"
FILE = "preprocessor_config.json"
NO_FILE = RemoteEntryNotFoundError(
    "404", response=httpx.Response(404, request=httpx.Request("HEAD", "https://hub.invalid"))
)


def of_hub() -> Pretrained:
    return Pretrained(f"owner/name@{COMMIT}", "listen.ear", "audio classifier")


def answers(monkeypatch: pytest.MonkeyPatch, kept: object, error: Exception | None = None) -> list[Any]:
    """The hub cache has `kept`, and the hub answers with a file or an error. Returns what the hub is asked."""
    asked: list[Any] = []

    def download(place: str, name: str, revision: str) -> str:
        asked.append((place, name, revision))
        if error:
            raise error
        return name

    monkeypatch.setattr(pretrained, "try_to_load_from_cache", lambda *_, **__: kept)
    monkeypatch.setattr(pretrained, "hf_hub_download", download)
    return asked


def test_a_folder_has_its_files(tmp_path: Path) -> None:
    source = Pretrained(str(tmp_path), "listen.ear", "audio classifier")
    assert not source.has(FILE)
    (tmp_path / FILE).write_text("{}")
    assert source.has(FILE)


@pytest.mark.parametrize(("kept", "there"), [("/cache/file", True), (object(), False)])
def test_what_the_cache_knows_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, kept: object, there: bool) -> None:
    """The cache also knows, by a value that is no path, that the hub has no such file at this commit."""
    asked = answers(monkeypatch, kept)
    assert of_hub().has(FILE) is there
    assert asked == []


@pytest.mark.parametrize(("error", "there"), [(None, True), (NO_FILE, False)])
def test_the_hub_is_asked_once_for_the_commit(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, there: bool
) -> None:
    asked = answers(monkeypatch, None, error)
    assert of_hub().has(FILE) is there
    assert asked == [("owner/name", FILE, COMMIT)]


def test_a_hub_out_of_reach_is_no_missing_file(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, None, LocalEntryNotFoundError("out of reach"))
    with pytest.raises(DependencyError, match=r"listen\.ear: .*out of reach"):
        of_hub().has(FILE)
