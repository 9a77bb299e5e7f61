"""The options come from the settings, and a limit of an unknown figure is an error."""

from pathlib import Path

import msgspec
import pytest

from pipeline.assessment import options
from pipeline.base import canonical_json
from pipeline.base.errors import ConfigError
from pipeline.contract.topology import DEAD_LETTERS
from pipeline.settings import AssessmentSettings, Settings


def chosen(**changes: object) -> Settings:
    return Settings().model_copy(update={"assessment": AssessmentSettings.model_validate(changes)})


def test_the_defaults() -> None:
    found = options.build(Settings())
    assert found.languages == {"en", "zh"}
    assert found.illegal == {
        "sexual", "abuse", "hate", "violence", "minor_safety", "terror_extremism", "political_sensitive",
        "illegal_trade", "fraud", "privacy",
    }  # fmt: skip
    assert found.targets == (14_400, 3_600, 900, 300)
    assert found.settled == (DEAD_LETTERS.retention_hours + 24) * 3_600
    assert (found.acknowledge, found.report, found.appeal) == (None, None, None)


def test_the_operator_chooses() -> None:
    found = options.build(chosen(limits={"I-02.share": 0.99}, report_hours=24))
    assert found.limits == {"I-02.share": 0.99}
    assert found.report == 86_400


def test_days_are_of_beijing_unless_the_operator_chooses() -> None:
    assert options.build(Settings()).zone == "Asia/Shanghai"
    assert options.build(chosen(zone="UTC")).zone == "UTC"
    with pytest.raises(ConfigError, match=r"assessment\.zone"):
        options.build(chosen(zone="Mars"))


@pytest.mark.parametrize(
    ("name", "said"),
    [("I-33.share", "there is no indicator I-33"), ("I-05.p90", "I-05 has no value p90. Its values are p50, p95, p99")],
)
def test_a_limit_of_an_unknown_figure_is_an_error(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"assessment\.limits") as caught:
        options.build(chosen(limits={name: 1}))
    assert said in str(caught.value)


def test_options_come_back_from_json_without_the_clips(tmp_path: Path) -> None:
    built = options.build(Settings(data_dir=tmp_path))
    written = canonical_json.canonical_bytes(options.to_plain(built))
    found = options.from_plain(msgspec.json.decode(written))
    assert found == msgspec.structs.replace(built, evidence=None)
    assert str(tmp_path).encode() not in written
