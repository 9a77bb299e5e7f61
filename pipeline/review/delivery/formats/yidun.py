"""The active callback (主动回调) of Yidun 网易易盾 live voice v4: a form with the result as JSON, and a signature."""

from collections.abc import Mapping
from hashlib import md5
from typing import Any
from urllib.parse import urlencode

from pipeline.contract.messages import Suggestion
from pipeline.review.delivery.formats.raised import AtVendor, RaisedFlag, Rendered, encoded, milliseconds

OTHER = "900"
"""The label of flags without a counterpart: 其他."""

SUGGESTIONS: dict[Suggestion, int] = {"pass": 0, "review": 1, "block": 2}

HIGH_RISK = 0.5
"""A flag to review with at least this risk is a strong suspicion."""

MACHINE = 2
"""The `censorSource` of results that no person gave."""


def render(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag. The customer's `account` is secretId, `business` is businessId, and `secret` is secretKey."""
    fields = {
        "secretId": customer.account,
        "businessId": customer.business,
        "callbackData": encoded(_result(flag, customer)).decode(),
    }
    form = urlencode(fields | {"signature": signature(fields, customer.secret)})
    return Rendered(form.encode(), "application/x-www-form-urlencoded")


def signature(fields: Mapping[str, str], secret: str) -> str:
    """Return the MD5 of all names and values in the order of the names, and of the secret."""
    text = "".join(name + fields[name] for name in sorted(fields)) + secret
    return md5(text.encode(), usedforsecurity=False).hexdigest()  # the vendor's receivers accept no better one


def _result(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    names = {"taskId": flag.stream, "dataId": customer.name_of(flag), "callback": customer.name_of(flag)}
    speech = {
        "startTime": milliseconds(flag.start),
        "endTime": milliseconds(flag.end),
        "content": flag.text,
        "speakerId": flag.speaker,
    }
    antispam = names | {"censorSource": MACHINE, "evidences": speech | _evidence(flag, customer)}
    return {"antispam": antispam, "asr": names | speech}


def _evidence(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    labels = [
        {"label": int(theirs), "level": SUGGESTIONS[flag.suggestion], "rate": flag.score(ours), "subLabels": _sub(flag)}
        for theirs, ours in customer.counterparts(flag, "yidun", OTHER).items()
    ]
    found = {
        "segmentId": flag.id,
        "suggestion": SUGGESTIONS[flag.suggestion],
        "label": labels[0]["label"],
        "secondLabel": "",
        "thirdLabel": "",
        "labels": labels,
    }
    if flag.suggestion == "review":
        found["suggestionLevel"] = 2 if flag.risk >= HIGH_RISK else 1
    return found


def _sub(flag: RaisedFlag) -> list[dict[str, Any]]:
    """Return the lexicon terms, which are details of a sub-label there."""
    return [{"subLabel": "", "details": {"keywords": [{"word": word} for word in flag.words]}}] if flag.words else []
