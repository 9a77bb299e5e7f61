"""Only the given tokens are accepted. `tests/agents/gateway/test_gateway_server.py` tries the headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.bearer_tokens import ServerTokens, TokenSet
from pipeline.base.errors import ConfigError

REFUSAL = ("The server has no token", "Set one.")


@given(st.lists(st.text(max_size=5), max_size=3), st.text(max_size=5))
def test_only_given_tokens_are_held(tokens: list[str], token: str) -> None:
    assert TokenSet(tokens).holds(token) == (token in tokens)


def test_a_token_is_generated_only_on_loopback() -> None:
    made = ServerTokens([], "127.0.0.1", REFUSAL)
    assert made.generated
    assert made.accepts([f"Bearer {made.generated}"])
    assert ServerTokens(["a"], "192.0.2.1", REFUSAL).generated is None
    with pytest.raises(ConfigError, match="Set one"):
        ServerTokens([], "192.0.2.1", REFUSAL)
