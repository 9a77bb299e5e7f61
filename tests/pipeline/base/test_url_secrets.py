"""No password of an address is shown, and the rest of it is."""

import pytest

from pipeline.base.url_secrets import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:s3cret@app.example/in", "https://me:***@app.example/in"),
        ("https://:s3cret@app.example", "https://:***@app.example"),
        ("postgresql://u:s3@cret@db:5432/d", "postgresql://u:***@db:5432/d"),
        ("postgresql://u@db/d?to=a&sslpassword=s3cret#x", "postgresql://u@db/d?to=a&sslpassword=***#x"),
        ("404 for 'https://me:s3cret@a/?api_key=s3cret'; b:1", "404 for 'https://me:***@a/?api_key=***'; b:1"),
        ("https://app.example:8443/a@b?user=me&keys=2", "https://app.example:8443/a@b?user=me&keys=2"),
        ("sqlite:////data/store.db", "sqlite:////data/store.db"),
    ],
)
def test_secrets_are_replaced(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
