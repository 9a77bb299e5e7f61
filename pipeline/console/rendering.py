"""Renders the templates, with the values that every page needs: language, theme, keys, account."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.base.errors import VoxwardenError
from pipeline.console.access_table import allowed
from pipeline.console.console_texts import Texts
from pipeline.console.guard import masked
from pipeline.console.keyboard import key_cap, keys_of
from pipeline.console.services import Services, services_of
from pipeline.console.static_files import accepts_gzip, gzipped, static_address
from pipeline.console.team.quality_charts import waited
from pipeline.contract.messages import SAMPLE_RATE, EventKind
from pipeline.review.accounts.accounts import Preferences, Role
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.speech import languages

ZONE_COOKIE = "voxwarden_zone"
LONGEST_ZONE = 64  # the most characters of a zone's name
LEAST_PACKED = 1_000  # a shorter page (bytes) is sent as it is
LANGUAGE_COOKIE = "voxwarden_language"
LANGUAGE_SECONDS = 31_536_000  # seconds for which the browser keeps the language
SEVERITY_NAMES = ("low", "medium", "high", "critical")
# The pages of each group of the menu: name (text `nav.<name>`, key `go_<name>`), path, endpoint.
NAVIGATION: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "work": (
        ("queue", "/queue", "queue_page"),
        ("search", "/search", "search_page"),
        ("appeals", "/appeals", "appeals_page"),
    ),
    "team": (
        ("team", "/team", "team_page"),
        ("quality", "/quality", "quality_page"),
        ("policies", "/policies", "policies_page"),
        ("assessment", "/assessment", "indicators_page"),
    ),
    "admin": (
        ("audit", "/audit", "audit_page"),
        ("keeping", "/keeping", "retention_page"),
        ("accounts", "/accounts", "accounts_page"),
        ("skills", "/skills", "skills_page"),
        ("docs", "/docs", "api_docs"),
    ),
    "own": (
        ("inbox", "/inbox", "inbox_page"),
        ("me", "/me", "me_page"),
        ("wellness", "/wellness", "wellness_page"),
    ),
}
SHAPES = {"block": "■", "review": "◆", "pass": "●"}


def zone_of(request: Request) -> tzinfo:
    """Return the reader's zone; UTC if the browser did not tell it, or if its name is unknown."""
    name = request.cookies.get(ZONE_COOKIE, "").strip('"')
    try:
        # ZoneInfo opens a file of this name, and anybody can write a cookie: hence the limit.
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


def time_tag(at: float, now: float, zone: tzinfo, say: Callable[[str], str]) -> Markup:
    """Return a `time` element: the reader's time as its text, UTC in its title."""
    universal = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        f"{universal:%Y-%m-%dT%H:%M:%SZ}", f"{universal:%Y-%m-%d %H:%M:%S}", clock_time(at, now, zone, say)
    )


def profile_href(kind: Literal["speakers", "rooms"], name: str) -> str:
    """Return the address of the page of a speaker or a room."""
    # A browser takes these two out of a path, also when they are encoded.
    if name in {".", ".."}:
        return f"/{kind}/?{urlencode({'name': name})}"
    return f"/{kind}/{quote(name, safe='')}"


def environment() -> Environment:
    """Make the environment of the templates."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        auto_reload=False,  # templates do not change while the console runs
        # A forgotten value fails in the tests; otherwise the page would show nothing in its place.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "shown": key_cap,
        "SHAPES": SHAPES,
        "SEVERITY_NAMES": SEVERITY_NAMES,
        "EVENTS": get_args(EventKind),
    }
    made.globals |= {"static": static_address, "profile_href": profile_href, "waited": waited}
    made.filters |= {"utc": utc, "bdi": bdi, "fromjson": msgspec.json.decode, "minutes": minutes, "percent": percent}
    return made


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render `template` with `values` in the reader's language."""
    made: Environment = request.app.state.templates
    body = made.get_template(template).render(context(request) | values).encode()
    headers = {"vary": "Accept-Encoding"}  # a cache must not give the packed page to a client without gzip
    if len(body) >= LEAST_PACKED and accepts_gzip(request):
        body, headers["content-encoding"] = gzipped(body), "gzip"
    answer = HTMLResponse(body, status, headers)
    _remember_language(request, answer)
    return answer


def redirected(href: str) -> Response:
    """Let a page that sent a form by htmx load `href`. A refused form stays in its page, with the typed text."""
    return Response(status_code=204, headers={"HX-Redirect": href})


def _remember_language(request: Request, answer: HTMLResponse) -> None:
    """Keep the language of the account in the browser, for pages that know no account: sign-in, and the outage."""
    session: LoginSession | None = getattr(request.state, "session", None)
    if session and session.account.preferences.language != request.cookies.get(LANGUAGE_COOKIE, ""):
        secure = services_of(request).settings.console.is_secure
        wanted = session.account.preferences.language
        answer.set_cookie(LANGUAGE_COOKIE, wanted, LANGUAGE_SECONDS, httponly=True, samesite="lax", secure=secure)


def context(request: Request) -> dict[str, Any]:
    """Return the values that every page needs."""
    services = services_of(request)
    session: LoginSession | None = getattr(request.state, "session", None)
    language = reader_language(request)
    say, zone = partial(text_or_markup, services.texts, language), zone_of(request)
    preferences = session.account.preferences if session else Preferences()
    role = session.account.role if session else None
    return {
        "t": say,
        "language": language,
        "languages": services.texts.names,
        "when": lambda at: time_tag(at, services.clock(), zone, say),
        "lang": languages.read_language(language).tag or language,
        "preferences": preferences,
        "account": session.account if session else None,
        "csrf": masked(session.csrf) if session else "",
        "keys": keys_of(preferences.remapped),
        "palette_key": "⌘K" if "Mac" in request.headers.get("user-agent", "") else "Ctrl K",
        "may": partial(allowed, role=role),
        "navigation": navigation(role),
        "wrong": {},
        "now": services.clock(),
        "path": request.url.path,
        "script_texts": services.texts.of_scripts(language),
        "label_name": partial(label_in_language, services, language),
        "age": partial(age, services.texts.say, language),
        "named": partial(named, services.texts.catalogue(language)),
        "action_words": lambda action: action_words(say, services.texts.catalogue(language), action),
        "label_means": lambda label: label_means(request, label),
    }


def minutes(samples: int) -> str:
    """Return a number of 16 kHz samples as minutes."""
    return f"{samples / SAMPLE_RATE / 60:,.1f}"


def percent(share: float) -> str:
    return f"{share:.1%}"


def bdi(text: object) -> Markup:
    """Return a name or text of a user isolated, so that its writing direction does not change the text around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def text_or_markup(texts: Texts, language: str, key: str, /, **values: object) -> str:
    """Return a text of the catalogue, as HTML if one of its `values` is HTML (`bdi`)."""
    if any(isinstance(value, Markup) for value in values.values()):
        # `Markup.format` escapes each value that is no Markup.
        return escape(texts.say(language, key)).format(**values)
    return texts.say(language, key, **values)


def explain(request: Request, error: VoxwardenError) -> str:
    """Return an error in the reader's language, with the names in it isolated."""
    values = {name: bdi(value) if isinstance(value, str) else value for name, value in error.values.items()}
    return text_or_markup(services_of(request).texts, reader_language(request), f"error.{error.text}", **values)


def navigation(role: Role | None) -> dict[str, list[tuple[str, str]]]:
    """Return the name and path of each page that `role` may open, by group."""
    return {
        group: [(name, href) for name, href, endpoint in entries if allowed(endpoint, role)]
        for group, entries in NAVIGATION.items()
    }


def reader_language(request: Request) -> str:
    """Return the reader's language."""
    session: LoginSession | None = getattr(request.state, "session", None)
    wanted = session.account.preferences.language if session else request.cookies.get(LANGUAGE_COOKIE, "")
    return services_of(request).texts.preferred(wanted, request.headers.get("accept-language", ""))


def label_name(request: Request, label: str) -> str:
    """Return the name of a label in the reader's language.

    A label that is not in the label file any more is returned unchanged. An empty one gives the text `report.label`.
    """
    return label_in_language(services_of(request), reader_language(request), label)


def label_in_language(services: Services, language: str, label: str) -> str:
    """Return the name of a label in a language, as `label_name` does."""
    if not label:
        return services.texts.say(language, "report.label")
    known = services.labels.labels.get(label)
    return known.name(language) if known else label


def action_words(say: Callable[[str], str], catalogue: Mapping[str, str], action: str) -> str:
    """Return the words for an action of the audit log. A code without words is returned unchanged."""
    key = f"audited.{action.replace('.', '_')}"
    return say(key) if key in catalogue else action


def named(catalogue: Mapping[str, str], group: str, name: str) -> str:
    """Return the text `group.name`. A name without a text is returned unchanged: the app chose it, or it is a code."""
    return catalogue.get(f"{group}.{name}", name)


def label_means(request: Request, label: str) -> tuple[str, str] | None:
    """Return what a label covers and what it does not, in the reader's language; None for an unknown label."""
    known = services_of(request).labels.labels.get(label)
    language = reader_language(request)
    return (known.means.say(language), known.not_meant.say(language)) if known else None


def age(say: Any, language: str, seconds: float) -> str:
    """Return a time span as text in the reader's language: `40 s`, `5 m`, `3 h`, `2 d`."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= length:
            return str(say(language, f"time.{unit}", n=int(seconds // length)))
    return str(say(language, "time.seconds", n=max(0, int(seconds))))


def utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
