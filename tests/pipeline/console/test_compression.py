"""Pages are compressed, and each has the CSRF token under another mask."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.compression import masked, unmasked
from tests.pipeline.console.conftest import Enter

TOKEN = re.compile(r'"X-CSRF-Token":"([^"]+)"')


@given(st.text("abcXYZ019-_", min_size=1, max_size=64))
def test_a_masked_token_is_the_token_again(token: str) -> None:
    one, other = masked(token), masked(token)
    assert unmasked(one) == unmasked(other) == token
    assert len(one) == len(other)


@given(st.text(max_size=200))
def test_any_text_can_be_unmasked(given_text: str) -> None:
    assert isinstance(unmasked(given_text), str)


def test_each_page_has_another_mask_and_all_are_valid(enter: Enter) -> None:
    ana = enter("ana")
    found = [TOKEN.findall(ana.get("/me").text)[0] for _ in range(3)]
    assert len(set(found)) == 3
    for token in found:
        ana.headers["x-csrf-token"] = token
        assert ana.post("/me/preferences", data={"theme": "dark"}).status_code == 303
    ana.headers["x-csrf-token"] = masked("another token of the same length, 43 signs")
    assert ana.post("/me/preferences", data={"theme": "dark"}).status_code == 403


@pytest.mark.parametrize(("asked", "encoding"), [("gzip", "gzip"), ("identity", None)])
def test_pages_are_compressed_if_the_browser_takes_it(enter: Enter, asked: str, encoding: str | None) -> None:
    with enter("ana").stream("GET", "/me", headers={"accept-encoding": asked}) as got:
        sent = len(b"".join(got.iter_raw()))
    whole = len(enter("ana").get("/me").content)
    assert (got.headers.get("content-encoding"), got.headers["vary"]) == (encoding, "Accept-Encoding")
    assert sent < whole / 2 if encoding else abs(sent - whole) < 200
