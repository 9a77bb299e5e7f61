"""The callback of Alibaba 语音审核 2.0: a form with the result of VoiceModerationResult as JSON, and a checksum."""

import math
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from pipeline.contract.messages import Suggestion
from pipeline.review.delivery.formats.raised import AtVendor, RaisedFlag, Rendered, encoded, milliseconds

OTHER = "C_customized"
"""The label of flags without a counterpart."""

LEVELS: dict[Suggestion, str] = {"pass": "none", "review": "medium", "block": "high"}

MAX_SCORE = 99


def render(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag. The checksum is the SHA-256 of the UID (`account`), the seed (`secret`) and the content."""
    content = encoded({"Code": 200, "Message": "OK", "RequestId": flag.id, "Data": _data(flag, customer)}).decode()
    checksum = sha256(f"{customer.account}{customer.secret}{content}".encode()).hexdigest()
    form = urlencode({"checksum": checksum, "content": content})
    return Rendered(form.encode(), "application/x-www-form-urlencoded")


def _data(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    return {
        "TaskId": flag.stream,
        "DataId": customer.name_of(flag),
        "LiveId": flag.room,
        "RiskLevel": LEVELS[flag.suggestion],
        "Url": "",
        "SliceDetails": [_slice(flag, customer)],
    }


def _slice(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    counterparts = customer.counterparts(flag, "alibaba", OTHER)
    return {
        "StartTime": int(flag.start),
        "EndTime": math.ceil(flag.end),
        "StartTimestamp": milliseconds(flag.start),
        "EndTimestamp": milliseconds(flag.end),
        "Text": flag.text,
        "Labels": ",".join(counterparts),
        "RiskLevel": LEVELS[flag.suggestion],
        "RiskTips": ",".join(f"{theirs}_{ours}" if ours else theirs for theirs, ours in counterparts.items()),
        "RiskWords": ",".join(flag.words),
        "Score": min(MAX_SCORE, round(100 * max(map(flag.score, counterparts.values())))),
        "Url": "",
        "Extend": "",
    }
