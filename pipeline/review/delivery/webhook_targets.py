"""Chooses where an event goes, and in which shape: that of `webhooks.format`, or our own."""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from pipeline.base.errors import ConfigError
from pipeline.judge import labels
from pipeline.review.delivery import coop, vendor_formats
from pipeline.review.delivery.event_outbox import OutboxEvent
from pipeline.review.delivery.events_for_apps import RAISED, RaisedFlag, Rendered, envelope
from pipeline.review.delivery.vendor_formats import AtVendor
from pipeline.settings import Settings, WebhookSettings

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


class Target(Struct, frozen=True):
    """A URL, and the shape of the events that go there."""

    url: str
    render: Callable[[OutboxEvent], Rendered]


class EventTargets(Struct, frozen=True):
    """Where flags and decisions go; None: nowhere."""

    flags: Target
    decisions: Target | None
    drills: bool = True
    """Whether the shape of flags can say that a flag belongs to a drill. If not, such a flag goes nowhere."""

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
    decisions = Target(chosen.decisions_url, own) if chosen.decisions_url else None
    flags = Target(chosen.url or "", lambda event: render(flag_of(event)))
    return EventTargets(flags, decisions, drills=chosen.format == "coop")


def _reports(settings: Settings) -> Callable[[RaisedFlag], Rendered]:
    coop.check_coop(settings.webhooks.coop)
    labels.load_labels(settings.judge.labels).check(settings.webhooks.coop.policies, "webhooks.coop.policies")
    return coop.CoopReports(settings.webhooks.coop, settings.console.public_url.rstrip("/")).render


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
