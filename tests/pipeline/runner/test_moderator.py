"""The moderator for programs: what the page docs/api.md does not show."""

import asyncio
import gc
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.base.errors import AudioError, ConfigError, ParameterError
from pipeline.judge.classifier import SHIPPED
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


def test_one_text_in_place_of_a_list_is_refused(moderator: Moderator) -> None:
    with pytest.raises(ParameterError, match="Give a list of texts"):
        moderator.texts("shut up, you worthless idiot")


def test_the_room_type_selects_the_rules(moderator: Moderator) -> None:
    [usual], [kids] = (moderator.texts(["add me on telegram"], room_type=name) for name in ("default", "kids"))
    assert kids.reasons != usual.reasons


def test_the_languages_of_texts_are_those_of_classifier_and_lexicons(moderator: Moderator, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"'es' is not judged\. Use one of: en, zh\."):
        moderator.texts(["hola"], language="es")
    (tmp_path / "es.yaml").write_text("groups: [{label: abuse, level: high, terms: [imbécil]}]", "utf-8")
    with_spanish = Moderator(TINY | {"judge": {"lexicons": ["en", str(tmp_path / "es.yaml")]}})
    [flag] = with_spanish.texts(["eres un imbécil"], language="es")
    assert (flag.language, flag.flagged) == ("es", ("abuse",))
    [other] = with_spanish.texts(["иди отсюда"])
    assert other.language == "en", "nothing says in which script Spanish is"


def test_a_model_that_does_not_say_its_languages_takes_all(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("thresholds.json"))
    mine = Moderator(TINY | {"judge": {"model": str(folder)}})
    assert [flag.language for flag in mine.texts(["ты кто"], language="ru")] == ["ru"]
    with pytest.raises(ParameterError, match="'russian' is not judged"):
        mine.texts(["ты кто"], language="russian")


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
