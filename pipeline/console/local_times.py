"""Times as a reader sees them: in the reader's zone, with UTC in the tooltip.

The page's script writes the browser's zone into a cookie (`static/zone.js`), so that the server can render local times.
"""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from fastapi import Request
from markupsafe import Markup

ZONE_COOKIE = "voxwarden_zone"
LONGEST_ZONE = 64
"""The most characters of a zone's name."""


def zone_of(request: Request) -> tzinfo:
    """Return the reader's zone; UTC if the browser did not tell it, or if its name is unknown."""
    name = request.cookies.get(ZONE_COOKIE, "").strip('"')
    try:
        return ZoneInfo(name) if 0 < len(name) <= LONGEST_ZONE else UTC
    except (ValueError, KeyError, OSError):  # not a name, an unknown one, or a folder of the time zone database
        return UTC


def clock_time(at: float, now: float, zone: tzinfo, say: Callable[[str], str]) -> str:
    """Return a time (UTC seconds) in words, e.g. `10:14`, `26 Nov 22:17` or `26 Nov 2025 22:17`.

    `say` returns a text of the catalogue: `time.today`, `time.this_year` and `time.another_year` are strftime formats.
    """
    local, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    kind = "this_year" if local.year == today.year else "another_year"
    if local.date() == today.date():
        kind = "today"
    return local.strftime(say(f"time.{kind}")) + (" UTC" if zone is UTC else "")


def tag(at: float, now: float, zone: tzinfo, say: Callable[[str], str]) -> Markup:
    """Return a `time` element: the reader's time as its text, UTC in its title."""
    universal = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        f"{universal:%Y-%m-%dT%H:%M:%SZ}", f"{universal:%Y-%m-%d %H:%M:%S}", clock_time(at, now, zone, say)
    )
