"""What the receivers of vendors' callbacks do with a request: read it, and check the signature. Not our own code."""

import json
from hashlib import md5, sha256
from typing import Any
from urllib.parse import parse_qs

from pipeline.review.delivery.events_for_apps import Rendered

ACCOUNT, BUSINESS, KEY = "1234567890", "biz_1", "秘密 seed"


def form_of(request: Rendered) -> dict[str, str]:
    """Read a form whose fields come once."""
    assert request.content_type == "application/x-www-form-urlencoded"
    fields = parse_qs(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert {len(values) for values in fields.values()} == {1}
    return {name: values[0] for name, values in fields.items()}


def json_of(request: Rendered) -> Any:
    assert request.content_type == "application/json"
    return json.loads(request.body)


def from_tencent(request: Rendered) -> Any:
    assert request.headers["x-signature"] == sha256(KEY.encode() + request.body).hexdigest()
    return json_of(request)


def from_alibaba(request: Rendered) -> Any:
    form = form_of(request)
    assert set(form) == {"checksum", "content"}
    assert form["checksum"] == sha256((ACCOUNT + KEY + form["content"]).encode()).hexdigest()
    return json.loads(form["content"])


def from_yidun(request: Rendered) -> Any:
    form = form_of(request)
    signature = form.pop("signature")
    assert (form["secretId"], form["businessId"]) == (ACCOUNT, BUSINESS)
    text = "".join(f"{name}{value}" for name, value in sorted(form.items()))
    assert signature == md5((text + KEY).encode(), usedforsecurity=False).hexdigest()
    return json.loads(form["callbackData"])


def from_shumei(request: Rendered) -> Any:
    assert request.headers == {}
    return json_of(request)


READERS = {"tencent-ams": from_tencent, "alibaba": from_alibaba, "yidun": from_yidun, "shumei": from_shumei}
