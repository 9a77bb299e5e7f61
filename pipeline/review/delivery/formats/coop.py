"""A report for ROOST Coop's review console: `POST /api/v1/report`. The reported item is the case."""

from typing import Any

from msgspec import Struct

from pipeline.base.errors import ConfigError
from pipeline.review.delivery.formats.raised import RaisedFlag, Rendered, encoded, iso
from pipeline.settings import CoopSettings

REPORTER = "voxwarden"
"""The id of the reporting user."""

NEEDS = ("api_key", "item_type", "user_type")


class CoopReports(Struct, frozen=True):
    """Renders flags as reports. `console` is the URL of our console, for links to its cases."""

    settings: CoopSettings
    console: str

    def render(self, flag: RaisedFlag) -> Rendered:
        """Render a flag."""
        key = self.settings.api_key.get_secret_value() if self.settings.api_key else ""
        return Rendered(encoded(self._report(flag)), headers={"x-api-key": key})

    def _report(self, flag: RaisedFlag) -> dict[str, Any]:
        return {
            "reporter": {"kind": "user", "typeId": self.settings.user_type, "id": REPORTER},
            "reportedAt": iso(flag.raised_at, "milliseconds"),
            "reportedForReason": self._reason(flag),
            "reportedItem": {"id": flag.case, "typeId": self.settings.item_type, "data": self._data(flag)},
        }

    def _reason(self, flag: RaisedFlag) -> dict[str, Any]:
        scores = ", ".join(f"{label} {flag.score(label):.2f}" for label in flag.flagged)
        reason = {"reason": f"{flag.suggestion}: {scores}" if scores else flag.suggestion}
        policy = next((found for label in flag.flagged if (found := self.settings.policies.get(label))), None)
        return reason | ({"policyId": policy} if policy else {})

    def _data(self, flag: RaisedFlag) -> dict[str, Any]:
        return {
            "text": flag.text,
            "speaker": {"id": flag.speaker, "typeId": self.settings.user_type},
            "room": flag.room,
            "start": iso(flag.start, "milliseconds"),
            "end": iso(flag.end, "milliseconds"),
            "language": flag.language,
            "suggestion": flag.suggestion,
            "risk": flag.risk,
            "labels": list(flag.flagged),
            "terms": flag.words,
            "link": f"{self.console}/cases/{flag.case}",
            "drill": flag.drill,
        }


def check_coop(settings: CoopSettings) -> None:
    """Raise ConfigError if a setting is missing without which Coop takes no report."""
    if missing := [name for name in NEEDS if not getattr(settings, name)]:
        raise ConfigError(
            f"webhooks.format coop needs {' and '.join(f'webhooks.coop.{name}' for name in missing)}",
            "Coop shows the key and the ids of the item types in its settings.",
        )
