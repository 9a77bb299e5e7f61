"""The shapes of flags for receivers of Tencent, Alibaba, Yidun and Shumei: the callbacks of these vendors."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from hashlib import md5, sha256
from typing import Any, Literal
from urllib.parse import urlencode

from msgspec import Struct

from pipeline.contract.messages import Suggestion
from pipeline.judge.labels import Labels
from pipeline.review.delivery.events_for_apps import RaisedFlag, Rendered, encoded, iso

VendorName = Literal["tencent", "alibaba", "yidun", "shumei"]
"""A vendor's key in `elsewhere` of the labels."""


class AtVendor(Struct, frozen=True):
    """The customer's names at the vendor, his key, and the labels with their counterparts there."""

    labels: Labels
    account: str = ""
    business: str = ""
    secret: str = ""
    data_id: str = "{room}/{speaker}"

    def name_of(self, flag: RaisedFlag) -> str:
        """Return the id that the customer gave the stream at the vendor."""
        # No str.format: a brace in the operator's text must not be a mistake.
        return self.data_id.replace("{room}", flag.room).replace("{speaker}", flag.speaker)

    def counterparts(self, flag: RaisedFlag, vendor: VendorName, other: str) -> Mapping[str, str]:
        """Map the vendor's labels of a flag to ours, the worst one first. A label without a counterpart is `other`."""
        found: dict[str, str] = {}
        for ours in flag.flagged or ("",):
            label = self.labels.labels.get(ours)
            theirs = getattr(label.elsewhere, vendor) if label else ()
            found.setdefault(theirs[0] if theirs else other, ours)
        return found

    def title(self, label: str) -> str:
        """Return the Chinese name of a label."""
        found = self.labels.labels.get(label)
        return found.name("zh") if found else label


def milliseconds(at: float) -> int:
    return round(at * 1000)


TENCENT_OTHER = "Custom"
"""The label of flags without a counterpart."""

TENCENT_SUGGESTIONS: dict[Suggestion, str] = {"pass": "Pass", "review": "Review", "block": "Block"}

TENCENT_MAX_TEXT = 1_000
"""The most characters of `AudioText`."""


def tencent_callback(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag for Tencent AMS (音频内容安全) as JSON: the answer of DescribeTaskDetail for a live task's segment.

    With a seed (`secret`), the header X-Signature has the signature.
    """
    body = encoded(_tencent_task(flag, customer))
    if not customer.secret:
        return Rendered(body)
    return Rendered(body, headers={"x-signature": tencent_signature(customer.secret, body)})


def tencent_signature(seed: str, body: bytes) -> str:
    """Return the SHA-256 of the seed and the body in hexadecimal digits."""
    return sha256(seed.encode() + body).hexdigest()


def _tencent_task(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    results = [
        {
            "Label": theirs,
            "SubLabel": ours,
            "Score": round(100 * flag.score(ours)),
            "Suggestion": _tencent_suggestion(flag),
        }
        for theirs, ours in customer.counterparts(flag, "tencent", TENCENT_OTHER).items()
    ]
    return {
        "TaskId": flag.stream,
        "DataId": customer.name_of(flag),
        "BizType": customer.business,
        # Empty fields stay, because a receiver may read every field of the vendor's answer.
        "Name": "",
        "Status": "RUNNING",
        "Type": "LIVE_AUDIO",
        "Suggestion": _tencent_suggestion(flag),
        "Label": results[0]["Label"],
        "Labels": results,
        "InputInfo": None,
        "AudioText": flag.text[:TENCENT_MAX_TEXT],
        "AudioSegments": [_tencent_segment(flag, results)],
        "ErrorType": "",
        "ErrorDescription": "",
        "CreatedAt": iso(flag.raised_at),
        "UpdatedAt": iso(flag.raised_at),
    }


def _tencent_segment(flag: RaisedFlag, results: list[dict[str, Any]]) -> dict[str, Any]:
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


def _tencent_suggestion(flag: RaisedFlag) -> str:
    return TENCENT_SUGGESTIONS[flag.suggestion]


ALIBABA_OTHER = "C_customized"
"""The label of flags without a counterpart."""

ALIBABA_LEVELS: dict[Suggestion, str] = {"pass": "none", "review": "medium", "block": "high"}

ALIBABA_MAX_SCORE = 99


def alibaba_callback(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag for Alibaba 语音审核 2.0: a form with VoiceModerationResult as JSON, and a checksum.

    The checksum is the SHA-256 of the UID (`account`), the seed (`secret`) and the content.
    """
    content = encoded(
        {"Code": 200, "Message": "OK", "RequestId": flag.id, "Data": _alibaba_data(flag, customer)}
    ).decode()
    checksum = sha256(f"{customer.account}{customer.secret}{content}".encode()).hexdigest()
    form = urlencode({"checksum": checksum, "content": content})
    return Rendered(form.encode(), "application/x-www-form-urlencoded")


def _alibaba_data(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    return {
        "TaskId": flag.stream,
        "DataId": customer.name_of(flag),
        "LiveId": flag.room,
        "RiskLevel": ALIBABA_LEVELS[flag.suggestion],
        "Url": "",
        "SliceDetails": [_alibaba_slice(flag, customer)],
    }


def _alibaba_slice(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    counterparts = customer.counterparts(flag, "alibaba", ALIBABA_OTHER)
    return {
        "StartTime": int(flag.start),
        "EndTime": math.ceil(flag.end),
        "StartTimestamp": milliseconds(flag.start),
        "EndTimestamp": milliseconds(flag.end),
        "Text": flag.text,
        "Labels": ",".join(counterparts),
        "RiskLevel": ALIBABA_LEVELS[flag.suggestion],
        "RiskTips": ",".join(f"{theirs}_{ours}" if ours else theirs for theirs, ours in counterparts.items()),
        "RiskWords": ",".join(flag.words),
        "Score": min(ALIBABA_MAX_SCORE, round(100 * max(map(flag.score, counterparts.values())))),
        "Url": "",
        "Extend": "",
    }


YIDUN_OTHER = "900"
"""The label of flags without a counterpart: 其他."""

YIDUN_SUGGESTIONS: dict[Suggestion, int] = {"pass": 0, "review": 1, "block": 2}

YIDUN_HIGH_RISK = 0.5
"""A flag to review with at least this risk is a strong suspicion."""

YIDUN_MACHINE = 2
"""The `censorSource` of results that no person gave."""


def yidun_callback(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag for Yidun 网易易盾 live voice v4: a form with the result as JSON, and a signature (主动回调).

    The customer's `account` is secretId, `business` is businessId, and `secret` is secretKey.
    """
    fields = {
        "secretId": customer.account,
        "businessId": customer.business,
        "callbackData": encoded(_yidun_result(flag, customer)).decode(),
    }
    form = urlencode(fields | {"signature": yidun_signature(fields, customer.secret)})
    return Rendered(form.encode(), "application/x-www-form-urlencoded")


def yidun_signature(fields: Mapping[str, str], secret: str) -> str:
    """Return the MD5 of all names and values in the order of the names, and of the secret."""
    text = "".join(name + fields[name] for name in sorted(fields)) + secret
    return md5(text.encode(), usedforsecurity=False).hexdigest()  # the vendor's receivers accept no better one


def _yidun_result(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    names = {"taskId": flag.stream, "dataId": customer.name_of(flag), "callback": customer.name_of(flag)}
    speech = {
        "startTime": milliseconds(flag.start),
        "endTime": milliseconds(flag.end),
        "content": flag.text,
        "speakerId": flag.speaker,
    }
    antispam = names | {"censorSource": YIDUN_MACHINE, "evidences": speech | _yidun_evidence(flag, customer)}
    return {"antispam": antispam, "asr": names | speech}


def _yidun_evidence(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    labels = [
        {
            "label": int(theirs),
            "level": YIDUN_SUGGESTIONS[flag.suggestion],
            "rate": flag.score(ours),
            "subLabels": _yidun_words(flag),
        }
        for theirs, ours in customer.counterparts(flag, "yidun", YIDUN_OTHER).items()
    ]
    found = {
        "segmentId": flag.id,
        "suggestion": YIDUN_SUGGESTIONS[flag.suggestion],
        "label": labels[0]["label"],
        "secondLabel": "",
        "thirdLabel": "",
        "labels": labels,
    }
    if flag.suggestion == "review":
        found["suggestionLevel"] = 2 if flag.risk >= YIDUN_HIGH_RISK else 1
    return found


def _yidun_words(flag: RaisedFlag) -> list[dict[str, Any]]:
    """Return the lexicon terms, which are details of a sub-label there."""
    return [{"subLabel": "", "details": {"keywords": [{"word": word} for word in flag.words]}}] if flag.words else []


SHUMEI_OTHER = "other"
"""The label of flags without a counterpart."""

SHUMEI_LEVELS: dict[Suggestion, str] = {"pass": "PASS", "review": "REVIEW", "block": "REJECT"}

SHUMEI_SUCCESS = 1100
SHUMEI_TEXT_RISK = 1001
"""The `riskSource` of risks in the words, and not in the sound."""
BEIJING = timezone(timedelta(hours=8))


def shumei_callback(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag for Shumei 数美 audio stream v4, as JSON. Shumei documents no signature."""
    return Rendered(
        encoded(
            {
                "requestId": f"{flag.stream}_{flag.id}",
                "btId": customer.name_of(flag),
                "code": SHUMEI_SUCCESS,
                "message": "成功",
                "statCode": 0,
                "requestParams": {"room": flag.room, "tokenId": flag.speaker},
                "audioDetail": _shumei_detail(flag, customer),
            }
        )
    )


def _shumei_detail(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    labels = [
        {
            "riskLabel1": theirs,
            "riskLabel2": ours,
            "riskLabel3": "",
            "riskDescription": customer.title(ours) or theirs,
        }
        for theirs, ours in customer.counterparts(flag, "shumei", SHUMEI_OTHER).items()
    ]
    return labels[0] | {
        "audioUrl": "",
        "riskLevel": SHUMEI_LEVELS[flag.suggestion],
        "audioText": flag.text,
        "vadCode": 1,
        "allLabels": labels,
        "riskDetail": _shumei_risk(flag),
        "auxInfo": {
            "audioStartTime": _shumei_time(flag.start),
            "audioEndTime": _shumei_time(flag.end),
            "beginProcessTime": milliseconds(flag.end),
            "finishProcessTime": milliseconds(flag.raised_at),
            "strUserId": flag.speaker,
            "room": flag.room,
        },
    }


def _shumei_risk(flag: RaisedFlag) -> dict[str, Any]:
    segments = [{"segment": flag.text[hit.start : hit.end], "position": [hit.start, hit.end]} for hit in flag.hits]
    return {"audioText": flag.text, "riskSource": SHUMEI_TEXT_RISK, "riskSegments": segments}


def _shumei_time(at: float) -> str:
    """Return a time (UTC seconds) as the clock in Beijing shows it."""
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
