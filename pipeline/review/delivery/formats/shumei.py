"""The callback of Shumei 数美 audio stream v4 as JSON. Shumei documents no signature."""

from datetime import datetime, timedelta, timezone
from typing import Any

from pipeline.contract.messages import Suggestion
from pipeline.review.delivery.formats.raised import AtVendor, RaisedFlag, Rendered, encoded, milliseconds

OTHER = "other"
"""The label of flags without a counterpart."""

LEVELS: dict[Suggestion, str] = {"pass": "PASS", "review": "REVIEW", "block": "REJECT"}

SUCCESS = 1100
TEXT_RISK = 1001
"""The `riskSource` of risks in the words, and not in the sound."""
BEIJING = timezone(timedelta(hours=8))


def render(flag: RaisedFlag, customer: AtVendor) -> Rendered:
    """Render a flag."""
    return Rendered(
        encoded(
            {
                "requestId": f"{flag.stream}_{flag.id}",
                "btId": customer.name_of(flag),
                "code": SUCCESS,
                "message": "成功",
                "statCode": 0,
                "requestParams": {"room": flag.room, "tokenId": flag.speaker},
                "audioDetail": _detail(flag, customer),
            }
        )
    )


def _detail(flag: RaisedFlag, customer: AtVendor) -> dict[str, Any]:
    labels = [
        {
            "riskLabel1": theirs,
            "riskLabel2": ours,
            "riskLabel3": "",
            "riskDescription": customer.title(ours) or theirs,
        }
        for theirs, ours in customer.counterparts(flag, "shumei", OTHER).items()
    ]
    return labels[0] | {
        "audioUrl": "",
        "riskLevel": LEVELS[flag.suggestion],
        "audioText": flag.text,
        "vadCode": 1,
        "allLabels": labels,
        "riskDetail": _risk(flag),
        "auxInfo": {
            "audioStartTime": _moment(flag.start),
            "audioEndTime": _moment(flag.end),
            "beginProcessTime": milliseconds(flag.end),
            "finishProcessTime": milliseconds(flag.raised_at),
            "strUserId": flag.speaker,
            "room": flag.room,
        },
    }


def _risk(flag: RaisedFlag) -> dict[str, Any]:
    segments = [{"segment": flag.text[hit.start : hit.end], "position": [hit.start, hit.end]} for hit in flag.hits]
    return {"audioText": flag.text, "riskSource": TEXT_RISK, "riskSegments": segments}


def _moment(at: float) -> str:
    """Return a time (UTC seconds) as the clock in Beijing shows it."""
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
