"""Settings that leave speech without moderation cause a warning, with a suggestion for a misspelt name."""

from pathlib import Path

import pytest

from pipeline.judge.judge_stage import read_config
from pipeline.judge.moderation_policy import Policy
from pipeline.judge.rule_warnings import find_warnings, unknown_room_type
from pipeline.settings import (
    Asr,
    GatewaySettings,
    JudgeSettings,
    ListenSettings,
    Overload,
    Retention,
    RoomShare,
    Settings,
)


def told(**sections: object) -> list[str]:
    settings = Settings(**sections)  # type: ignore[arg-type]
    return list(find_warnings(settings, read_config(settings.judge)))


def test_the_shipped_settings_cause_no_warning() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"asr": Asr(languages=("en", "fr"))}, "asr: fr is transcribed, but barely judged"),
        ({"asr": Asr(language="fr")}, "asr: fr is transcribed, but barely judged"),
        ({"judge": JudgeSettings(lexicons=())}, "judge.lexicons is empty"),
        ({"overload": Overload(room_types=(RoomShare(name="kid"),))}, "the room type kid, .* Did you mean kids?"),
        ({"overload": Overload(room_types=(RoomShare(name="game", share=0),))}, "the share of game is 0"),
        ({"gateway": GatewaySettings(closed_room_types=("kid",))}, "closed_room_types: .* Did you mean kids?"),
        ({"retention": Retention.model_validate({"labels": {"abusse": {}}})}, "no label abusse. Did you mean abuse?"),
    ],
)
def test_a_warning_names_its_setting(sections: dict[str, object], said: str) -> None:
    (doubt,) = told(**sections)
    assert all(part in doubt for part in said.split(".*"))


def test_a_mark_that_lets_real_speech_pass_causes_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "{name: own, every: {review: 0.5}, marks: {low_confidence: pass}, room_types: {game: {}, kids: {}}}"
    )
    (doubt,) = told(judge=JudgeSettings(policy=str(path)))
    assert "marks.low_confidence is pass" in doubt


def test_a_label_of_a_sound_that_nobody_has_banned_causes_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "{name: own, every: {review: 0.5}, sounds: {recording: {label: abuse}, moan: {label: sexual}},"
        " room_types: {game: {}, kids: {sounds: {scream: {label: abuse}}}}}"
    )
    first, second = told(judge=JudgeSettings(policy=str(path)))
    assert "the policy: sounds.moan.label has no effect" in first
    assert "the policy: room_types.kids.sounds.scream.label has no effect" in second


def test_a_limit_of_the_second_ear_below_its_floor_causes_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("{name: own, every: {review: 0.5}, room_types: {game: {}, kids: {ear: {every: {review: 0.4}}}}}")
    judge = JudgeSettings(policy=str(path))
    (doubt,) = told(judge=judge, listen=ListenSettings(ear="model"))
    assert "listen.ear_floor is 0.5, so scores of the second ear from 0.4 on" in doubt
    assert told(judge=judge, listen=ListenSettings(ear="model", ear_floor=0.4)) == []
    assert told(judge=judge) == []


def test_a_room_type_without_rules_causes_a_warning() -> None:
    policy = Policy.model_validate({"name": "own", "room_types": {"kids": {}}})
    assert unknown_room_type(policy, "kids") is None
    assert unknown_room_type(policy, "default") is None
    assert "Did you mean kids?" in str(unknown_room_type(policy, "Kids"))
    assert "no rules for the room type karaoke" in str(unknown_room_type(policy, "karaoke"))


def test_a_label_that_needs_the_second_ear_causes_a_warning_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    rules = "{labels: {violence: {sources: both}}}"
    path.write_text(f"{{name: own, every: {{review: 0.5}}, room_types: {{game: {rules}, kids: {{}}}}}}")
    judge = JudgeSettings(policy=str(path))
    (doubt,) = told(judge=judge)
    assert "violence needs words and second ear, but listen.ear is not set" in doubt
    assert told(judge=judge, listen=ListenSettings(ear="model")) == []


def test_a_label_that_the_second_ear_does_not_know_causes_a_warning_if_it_needs_it(tmp_path: Path) -> None:
    path, labels = tmp_path / "own.yaml", tmp_path / "ear.yaml"
    rules = "labels: {violence: {sources: both}, fraud: {sources: both}}"
    path.write_text(f"{{name: own, every: {{review: 0.5}}, {rules}, room_types: {{game: {{}}, kids: {{}}}}}}")
    labels.write_text("{Shout: violence, Talk: null}")
    (doubt,) = told(judge=JudgeSettings(policy=str(path)), listen=ListenSettings(ear="model", ear_label_map=labels))
    assert "fraud needs words and second ear, but listen.ear_label_map does not name it" in doubt


def test_a_label_that_needs_the_second_ear_causes_a_warning_where_the_policy_ignores_the_ear(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    rules = "{labels: {violence: {sources: both}}, ear: {labels: {violence: {review: never}}}}"
    path.write_text(f"{{name: own, every: {{review: 0.5}}, room_types: {{game: {rules}, kids: {{}}}}}}")
    judge = JudgeSettings(policy=str(path))
    (doubt,) = told(judge=judge, listen=ListenSettings(ear="model"))
    assert "room_types.game: violence needs words and second ear, but its limit in `ear` is never" in doubt
