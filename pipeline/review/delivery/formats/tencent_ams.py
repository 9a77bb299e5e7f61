"""The callback of Tencent AMS (音频内容安全) for a segment of a live task: the answer of DescribeTaskDetail as JSON."""

from hashlib import sha256
from typing import Any

from pipeline.contract.messages import Suggestion
from pipeline.review.delivery.formats.raised import AtVendor, RaisedFlag, Rendered, encoded, iso, milliseconds

OTHER = "Custom"
"""The label of flags without a counterpart."""

SUGGESTIONS: dict[Suggestion, str] = {"pass": "Pass", "review": "Review", "block": "Block"}

MAX_TEXT = 1_000
"""The most characters of `AudioText`."""


def render(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag. With a seed (`secret`), the header X-Signature has the signature."""
    body = encoded(_task(flag, customer))
    if not customer.secret:
        return Rendered(body)
    return Rendered(body, headers={"x-signature": signature(customer.secret, body)})


def signature(seed: str, body: bytes) -> str:
    """Return the SHA-256 of the seed and the body in hexadecimal digits."""
    return sha256(seed.encode() + body).hexdigest()


def _task(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    results = [
        {"Label": theirs, "SubLabel": ours, "Score": round(100 * flag.score(ours)), "Suggestion": _suggestion(flag)}
        for theirs, ours in customer.counterparts(flag, "tencent", OTHER).items()
    ]
    return {
        "TaskId": flag.stream,
        "DataId": customer.name_of(flag),
        "BizType": customer.business,
        "Name": "",
        "Status": "RUNNING",
        "Type": "LIVE_AUDIO",
        "Suggestion": _suggestion(flag),
        "Label": results[0]["Label"],
        "Labels": results,
        "InputInfo": None,
        "AudioText": flag.text[:MAX_TEXT],
        "AudioSegments": [_segment(flag, results)],
        "ErrorType": "",
        "ErrorDescription": "",
        "CreatedAt": iso(flag.raised_at),
        "UpdatedAt": iso(flag.raised_at),
    }


def _segment(flag: RaisedFlag, results: list[dict[str, Any]]) -> dict[str, Any]:
    texts = [result | {"Keywords": flag.words, "LibId": "", "LibName": "", "LibType": 1} for result in results]
    result = results[0] | {
        "HitFlag": 1,
        "Text": flag.text,
        "Url": "",
        "Duration": str(milliseconds(flag.end - flag.start)),
        "Extra": "",
        "TextResults": texts,
        "MoanResults": [],
        "LanguageResults": [],
    }
    return {"OffsetTime": str(int(flag.start)), "Result": result, "CreatedAt": iso(flag.raised_at)}


def _suggestion(flag: RaisedFlag) -> str:
    return SUGGESTIONS[flag.suggestion]
