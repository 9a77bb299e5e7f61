"""The texts of notices: every language that ships them, durations in words, and mistakes in a file."""

from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.review.cases import notices
from pipeline.review.cases.notices import SpeakerMeasure
from pipeline.speech import languages


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (1, "1 minute", "1 分钟"),
        (61, "2 minutes", "2 分钟"),
        (3_600, "1 hour", "1 小时"),
        (5_400, "90 minutes", "90 分钟"),
        (86_400, "1 day", "1 天"),
        (129_600, "36 hours", "36 小时"),
        (604_800, "7 days", "7 天"),
    ],
)
def test_a_duration_in_words(seconds: float, english: str, chinese: str) -> None:
    assert notices.in_words(seconds, notices.notice_texts("en").durations) == english
    assert notices.in_words(seconds, notices.notice_texts("zh").durations) == chinese


def test_every_shipped_language_has_every_text() -> None:
    assert {code: notices.notice_language(code) for code in languages.known()} == {"en": "en", "zh": "zh"}
    for code in languages.known():
        for measure in (
            SpeakerMeasure("warn"),
            SpeakerMeasure("mute", 60),
            SpeakerMeasure("remove", 60),
            SpeakerMeasure("close_room"),
        ):
            assert "{" not in notices.write_notice(measure, code, "label", 2, 30, None)


def test_a_notice_is_not_endless() -> None:
    assert len(notices.write_notice(SpeakerMeasure("warn"), "en", "x" * 5_000, 1, 30, None)) == notices.LONGEST


def test_a_mistake_in_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_CONFIG", str(tmp_path / "voxwarden.yaml"))
    folder = tmp_path / "languages" / "en"
    folder.mkdir(parents=True)
    text = (languages.SHIPPED / "en" / "notices.yaml").read_text("utf-8")
    (folder / "notices.yaml").write_text(text.replace("{label}", "{lable}"), "utf-8")
    with pytest.raises(ConfigError, match=r"notices\.yaml: found: must have exactly these placeholders: label"):
        notices.check_notices()
