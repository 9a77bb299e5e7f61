"""Chooses where an event goes, and in which shape: the one of `webhooks.format`, or our own.

The format `coop` is a report to the review console ROOST Coop (`POST /api/v1/report`). `pipeline/console/coop_api.py`
takes the actions that come back.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.base.errors import ConfigError
from pipeline.judge import labels
from pipeline.review.delivery import vendor_formats
from pipeline.review.delivery.event_outbox import OutboxEvent
from pipeline.review.delivery.events_for_apps import RAISED, RaisedFlag, Rendered, encoded, envelope, iso
from pipeline.review.delivery.vendor_formats import AtVendor
from pipeline.settings import CoopSettings, Settings, WebhookSettings

VENDORS: Mapping[str, Callable[[RaisedFlag, AtVendor], Rendered]] = {
    "tencent-ams": vendor_formats.tencent_callback,
    "alibaba": vendor_formats.alibaba_callback,
    "yidun": vendor_formats.yidun_callback,
    "shumei": vendor_formats.shumei_callback,
}
"""The renderers, by the values of `webhooks.format`."""

VENDOR_NEEDS: Mapping[str, tuple[str, ...]] = {
    "alibaba": ("account", "secret"),
    "yidun": ("account", "business", "secret"),
}
"""The settings of `webhooks.vendor` without which a vendor's signature cannot be made."""

REPORTER = "voxwarden"
"""The id of the reporting user at Coop."""

COOP_NEEDS = ("api_key", "item_type", "user_type")
"""The settings of `webhooks.coop` without which Coop takes no report."""


class Target(Struct, frozen=True):
    """A URL, and the shape of the events that go there."""

    url: str
    render: Callable[[OutboxEvent], Rendered]


class EventTargets(Struct, frozen=True):
    """Where flags and decisions go; None: nowhere."""

    flags: Target
    decisions: Target | None
    drills: bool = True
    """Whether the shape of flags can say that a flag belongs to a drill. If not, the flag of a drill goes nowhere."""

    def of(self, event: OutboxEvent) -> Target | None:
        """Return where an event goes."""
        if event.kind != RAISED:
            return self.decisions
        return self.flags if self.drills or not event.payload.get("drill") else None


def flag_of(event: OutboxEvent) -> RaisedFlag:
    """Return the flag of an event `flag.raised`."""
    return msgspec.convert(event.payload | {"raised_at": event.created_at}, RaisedFlag)


def own(event: OutboxEvent) -> Rendered:
    """Render an event in our own shape."""
    return Rendered(envelope(event.kind, event.created_at, event.payload))


def plain_targets(settings: WebhookSettings) -> EventTargets:
    """Return the targets of events in our own shape."""
    url = settings.url or ""
    return EventTargets(Target(url, own), Target(settings.decisions_url or url, own))


def targets(settings: Settings) -> EventTargets:
    """Return the targets of the settings. Other shapes than ours have no decisions, and vendors' no mark of a drill.

    Raises ConfigError if the format needs a setting that is missing.
    """
    chosen = settings.webhooks
    if chosen.format == "voxwarden":
        return plain_targets(chosen)
    render = _reports(settings) if chosen.format == "coop" else _callbacks(settings)
    # A vendor's receiver knows no decisions, so they need a URL of their own.
    decisions = Target(chosen.decisions_url, own) if chosen.decisions_url else None
    # The sender is built only if there is a URL.
    flags = Target(chosen.url or "", lambda event: render(flag_of(event)))
    return EventTargets(flags, decisions, drills=chosen.format == "coop")


def _reports(settings: Settings) -> Callable[[RaisedFlag], Rendered]:
    _check_coop(settings.webhooks.coop)
    labels.load_labels(settings.judge.labels).check(settings.webhooks.coop.policies, "webhooks.coop.policies")
    return CoopReports(settings.webhooks.coop, settings.console.public_url.rstrip("/")).render


def _callbacks(settings: Settings) -> Callable[[RaisedFlag], Rendered]:
    render, customer = VENDORS[settings.webhooks.format], _customer(settings)
    return lambda flag: render(flag, customer)


def _customer(settings: Settings) -> AtVendor:
    vendor = settings.webhooks.vendor
    if missing := [name for name in VENDOR_NEEDS.get(settings.webhooks.format, ()) if not getattr(vendor, name)]:
        names = " and ".join(f"webhooks.vendor.{name}" for name in missing)
        raise ConfigError(
            f"webhooks.format {settings.webhooks.format} needs {names}",
            "Use the values with which your receiver checks the vendor's signature.",
        )
    secret = vendor.secret.get_secret_value() if vendor.secret else ""
    known = labels.load_labels(settings.judge.labels)
    return AtVendor(known, vendor.account, vendor.business, secret, vendor.data_id)


def _check_coop(settings: CoopSettings) -> None:
    """Raise ConfigError if a setting of COOP_NEEDS is missing."""
    if missing := [name for name in COOP_NEEDS if not getattr(settings, name)]:
        raise ConfigError(
            f"webhooks.format coop needs {' and '.join(f'webhooks.coop.{name}' for name in missing)}",
            "Coop shows the key and the ids of the item types in its settings.",
        )


class CoopReports(Struct, frozen=True):
    """Renders flags as reports to Coop about their cases. `console` is the URL of our console, for links to them."""

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
        # Coop takes one policy for a report. The worst label comes first.
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
