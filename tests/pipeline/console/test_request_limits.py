"""Every answer of the console has security headers, and requests that are too large are refused."""

import pytest

from tests.pipeline.console.conftest import Console, Enter

FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_every_answer_has_security_headers(console: Console, enter: Enter) -> None:
    for path in ("/login", "/queue", "/nowhere", "/static/console.css", "/healthz", "/readyz"):
        headers = enter("ana").get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_requests_that_are_too_large_are_refused(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    assert ana.post("/next", data={"csrf": "x" * 300_000}).status_code == 413
    assert ana.get("/queue", params={"room": "x" * 5_000}).status_code == 414


@pytest.mark.parametrize("path", ["/login", "/cases/0/decision"])
def test_a_body_of_unknown_length_that_is_too_large_is_refused(console: Console, enter: Enter, path: str) -> None:
    refused = enter("ana").post(path, content=iter([b"note=" + b"x" * 300_000]), headers=FORM)
    assert (refused.status_code, refused.text) == (413, "The request is too large. Send at most 262144 bytes.")
