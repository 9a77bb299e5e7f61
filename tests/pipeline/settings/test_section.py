"""A token that could be guessed is refused, and the error tells how to create one."""

import pytest

from pipeline.base.errors import ConfigError
from pipeline.settings import load

LONG = "hunter2hunter2hunter2"


@pytest.mark.parametrize(("section", "key"), [("gateway", "tokens"), ("console", "api_tokens")])
@pytest.mark.parametrize("short", ["", "fifteen-letters", 20 * " "])
def test_a_short_token_is_refused(section: str, key: str, short: str) -> None:
    assert load({section: {key: [LONG, "sixteen-letters!"]}})
    with pytest.raises(ConfigError) as caught:
        load({section: {key: [LONG, short]}})
    said = str(caught.value)
    assert f"{section}.{key}" in said
    assert "shorter than 16 characters" in said
    assert "secrets.token_urlsafe" in said
    assert not short or short not in said


@pytest.mark.parametrize("key", ["gateway.port", "livekit.webhook_port", "kafka.connect_seconds"])
def test_yes_is_no_number(key: str) -> None:
    section, name = key.split(".")
    with pytest.raises(ConfigError, match=rf"{key}: the value must not be yes"):
        load({section: {name: True}})
    assert load({"asr": {"download": False}}).asr.download is False


@pytest.mark.parametrize(
    "key", ["webhooks.url", "webhooks.decisions_url", "audit.anchor_url", "livekit.url", "console.public_url"]
)
@pytest.mark.parametrize("place", ["a.example:65536", "a.example:0", "a.example:hunter2", "[::1", ":8080", ""])
def test_an_address_has_a_host_and_a_port_that_exists(key: str, place: str) -> None:
    section, name = key.split(".")
    assert load({section: {name: "http://a.example:65535/x"}})
    with pytest.raises(ConfigError, match=key) as caught:
        load({section: {name: f"http://{place}"}})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["webhooks.url", "audit.anchor_url", "livekit.url", "gateway_url", "reader.url"])
def test_an_address_has_a_known_scheme(key: str) -> None:
    section, name = key.split(".") if "." in key else ("rtp", key)
    with pytest.raises(ConfigError, match=name):
        load({section: {name: "ftp://a.example/x"}})
