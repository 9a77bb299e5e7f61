"""The moderator for programs: what the page docs/api.md does not show."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.base.errors import AudioError, ConfigError
from pipeline.runner.moderator import Moderator

DATA = Path(__file__).parents[2] / "data"
TINY = {"asr": {"model": "tiny.en", "languages": ["en"]}}

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def moderator() -> Moderator:
    return Moderator(TINY)


def test_texts_keep_their_order_and_do_not_depend_on_each_other(moderator: Moderator) -> None:
    texts = ["shut up, you worthless idiot", "well played"] * 8
    with ThreadPoolExecutor(4) as threads:
        found = [future.result() for future in [threads.submit(moderator.texts, texts) for _ in range(4)]]
    assert [[flag.suggestion for flag in flags] for flags in found] == [["review", "pass"] * 8] * 4
    assert moderator.texts([]) == ()


def test_the_room_type_selects_the_rules(moderator: Moderator) -> None:
    [usual], [kids] = (moderator.texts(["add me on telegram"], room_type=name) for name in ("default", "kids"))
    assert kids.reasons != usual.reasons


def test_a_damaged_recording_gives_its_beginning_and_the_fault(moderator: Moderator, tmp_path: Path) -> None:
    whole = (DATA / "sense-and-sensibility.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    found = moderator.file(tmp_path / "cut.flac")
    assert found.utterances
    assert found.error is not None
    assert "cut.flac" in found.error
    assert found.seconds > found.utterances[-1].end - 1


async def test_it_works_where_an_event_loop_runs(moderator: Moderator, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not audio at all", "utf-8")
    assert asyncio.get_running_loop()
    with pytest.raises(AudioError, match=r"notes\.txt"):
        moderator.file(tmp_path / "notes.txt")


def test_the_recogniser_is_loaded_once(moderator: Moderator) -> None:
    from pipeline.speech.asr import recogniser

    moderator.file(DATA / "vm-newuser.flac")
    gc.collect()
    assert recogniser.load_recogniser(moderator._settings.asr) is moderator._models[1]


def test_a_wrong_setting_is_an_error() -> None:
    with pytest.raises(ConfigError, match="asr"):
        Moderator({"asr": {"modell": "base"}})
