"""A removed setting is refused wherever it is set, and the error names the remedy."""

from typing import Any

import pytest

from pipeline.base.errors import ConfigError
from pipeline.settings import keys, load
from pipeline.settings.removed_settings import REMEDIES


def nested(key: str) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {first: nested(rest) if rest else {"all": "1"} if first == key else "1"}


@pytest.mark.parametrize("key", REMEDIES)
def test_the_error_names_the_remedy(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"Setting {key}: the setting was removed \(from --set\)") as caught:
        load(nested(key))
    assert REMEDIES[key] in str(caught.value)


def test_the_file_and_the_environment_are_named(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("stages: {judge: {batch: 7}}\n")
    with pytest.raises(ConfigError, match=rf"Setting stages: the setting was removed \(from {path}\)"):
        load()
    write("")
    monkeypatch.setenv("VOXWARDEN_AUDIO__VAD_THRESHOLD", "0.4")
    with pytest.raises(ConfigError, match=r"Setting audio\.vad_threshold: .*\(from VOXWARDEN_AUDIO__VAD_THRESHOLD\)"):
        load()
    monkeypatch.setenv("VOXWARDEN_STAGES__JUDGE__BATCH", "7")
    with pytest.raises(ConfigError, match=r"VOXWARDEN_STAGES__JUDGE__BATCH: the setting was removed"):
        load()


def test_no_setting_is_removed() -> None:
    assert not {key for key in keys() if any(f"{key}.".startswith(f"{gone}.") for gone in REMEDIES)}
