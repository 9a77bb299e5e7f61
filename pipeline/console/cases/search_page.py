"""The search page: all cases and everything said in them."""

import csv
import io
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from msgspec import Struct
from sqlalchemy import Connection

from pipeline.console.access_table import AUDIT
from pipeline.console.cases.case_timeline import clip_sound, outline
from pipeline.console.cases.case_view import case_view, without_repeats
from pipeline.console.cases.marked_text import found_row, marked
from pipeline.console.rendering import label_name, page, reader_language, zone_of
from pipeline.console.services import Services, Signed, TheCase, TheServices, load_of
from pipeline.contract.messages import Flag, HeardKind
from pipeline.judge.labels import SEVERITIES
from pipeline.review import audit_log
from pipeline.review.accounts import wellness
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.audit_log import pseudonym
from pipeline.review.cases import eligibility
from pipeline.review.search import case_words, finding, views
from pipeline.review.search.case_lists import ListedCase, list_cases
from pipeline.review.search.case_words import fold
from pipeline.review.search.finding import COUNTED, PAGE, FoundCase, Place, Viewer
from pipeline.review.search.query import Field, QueryError, QueryTerm, Wanted, parse_query, plan, write_query

router = APIRouter(prefix="/search")

CSV_COLUMNS = (
    "case",
    "stored",
    "spoken",
    "room",
    "speaker",
    "label",
    "severity",
    "risk",
    "language",
    "policy",
    "status",
    "verdict",
    "decided_by",
    "said",
)
# A spreadsheet runs a cell that begins so. Speakers choose their names and words, so these get an apostrophe.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
MOST_LANGUAGES = 6  # the most languages of the facet
WORDS: Mapping[str, Mapping[str, str]] = {
    # The word that a query uses for each stored value of a facet.
    "status": {"pending": "open", "escalated": "escalated", "decided": "decided"},
    "verdict": {"uphold": "violation", "dismiss": "no-violation", "escalate": "escalate"},
    "severity": {str(number): SEVERITIES[number] for number in reversed(range(len(SEVERITIES)))},
    "has": {"audio": "audio", "hold": "hold"},
}

CASE = re.compile(r"#([0-9a-f][0-9a-f-]{7,35})")  # a case, as a person types its id

Say = Callable[[str], str]  # returns a text of the console in the reader's language
QueryText = Annotated[str, Query(max_length=4_000)]


class Chip(Struct, frozen=True):
    """A term of the query in the search field. `href` is the search without it."""

    field: Field
    text: str
    href: str


class FacetChoice(Struct, frozen=True):
    """A value of a facet. `href` is the search with it, or without it if it is chosen already."""

    value: str
    count: int
    chosen: bool
    href: str


@router.get("", response_class=HTMLResponse)
def search_page(
    request: Request, services: TheServices, session: Signed, q: QueryText = "", more: QueryText = ""
) -> Response:
    """Show a search. `more` are terms to add: the page then goes to the address of the whole search."""
    if asked := CASE.fullmatch((more or q).strip().lower()):
        return RedirectResponse(f"/cases/{asked[1]}", 303)
    if more.strip():
        # So the address in the browser is always the whole search, and can be saved or sent.
        return RedirectResponse(address(" ".join((q, more.strip())).strip()), 303)
    started = time.perf_counter()
    values: dict[str, Any] = {"q": q, "problem": None, "rows": (), "more": "", "facets": {}, "count": 0}
    with services.database.read() as connection:
        values["views"] = views.visible(connection, session.account.name, "search")
        values["catching_up"] = case_words.is_indexing(connection)
        try:
            terms = parse_query(q)
            values["chips"] = _chips(request, terms)
            wanted = _wanted(request, services, terms)
            values |= _results(services, connection, session, terms, wanted)
        except QueryError as error:
            # Chips stand if the words could be read, but a value was wrong.
            values = {"chips": [], **values, "problem": error}
    if terms_given := bool(q.strip()) and values["problem"] is None:
        _log(services, session, "search", wanted, values["count"])
    spent = round(1_000 * (time.perf_counter() - started)) if terms_given else 0
    status = 200 if values["problem"] is None else 422
    return page(request, "search.html", status, counted=COUNTED, milliseconds=spent, **values)


@router.get("/rows", response_class=HTMLResponse)
def search_rows(
    request: Request,
    services: TheServices,
    session: Signed,
    at: Annotated[float, Query(ge=-1e12, le=1e12)],
    after: Annotated[str, Query(max_length=64, pattern=r"^[0-9a-f-]*$")],
    q: QueryText = "",
) -> Response:
    """Return the results after the place (`at`, `after`): see `Place` in `review/search/finding.py`."""
    terms = parse_query(q)
    wanted = _wanted(request, services, terms)
    with services.database.read() as connection:
        found = _after(connection, wanted, viewer_of(services, connection, session), (at, after))
        values = _rows(connection, terms, wanted, found)
    return page(request, "search_rows.html", **values)


@router.get("/preview/{case}", response_class=HTMLResponse)
def search_preview(
    request: Request, services: TheServices, session: Signed, case: TheCase, q: QueryText = ""
) -> Response:
    """Show one result beside the list. Like the page of the case, it is a line of the audit log."""
    phrases = _wanted(request, services, parse_query(q)).phrases
    with services.database.read() as connection:
        found = case_view(connection, case)
        rows = [found_row(row, phrases) for row in list_cases(connection, [case])]
    with services.database.write() as connection:
        audit_log.append(connection, services.clock(), session.account.name, "case.view", case)
    turns = [(flag, marked(flag, phrases)) for flag in without_repeats(found.file.flags)]
    sound = clip_sound(found, outline(services.evidence, found.clip) if found.clip else None)
    return page(request, "search_preview.html", view=found, case=found.case, row=rows[0], turns=turns, sound=sound)


@router.get("/results.csv", response_class=Response)
def search_csv(request: Request, services: TheServices, session: Signed, q: QueryText = "") -> Response:
    """Return the results as CSV, at most COUNTED of them. The audit log has a line about it."""
    wanted = _wanted(request, services, parse_query(q))
    say = partial(services.texts.say, reader_language(request))
    with services.database.read() as connection:
        found = finding.ordered(
            finding.find_cases(connection, wanted, viewer_of(services, connection, session)), wanted.order
        )
        body = csv_of(list_cases(connection, [one.id for one in found]), say, zone_of(request))
    _log(services, session, "search.export", wanted, len(found))
    headers = {"content-disposition": 'attachment; filename="cases.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


def csv_of(cases: Iterable[ListedCase], say: Say, zone: tzinfo = UTC) -> bytes:
    """Return the cases as CSV with a header, times in `zone`. It begins with a byte order mark, which Excel needs."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    writer.writerows(map(_safe, _cells(case, say, zone)) for case in cases)
    return text.getvalue().encode("utf-8-sig", "replace")  # "replace": a lone half of a surrogate pair has no UTF-8


def address(q: str) -> str:
    """Return the address of a search."""
    return "/search?" + urlencode({"q": q})


def viewer_of(services: Services, connection: Connection, session: LoginSession) -> Viewer:
    """Return what this person sees of the cases. Those that their queue leaves out are left out here, too."""
    account = session.account
    load = load_of(services, connection, session)
    without = wellness.without(connection, account.name, load, services.clock())
    return Viewer(without, eligibility.users_of(connection, account.name), account.role in AUDIT)


def _cells(listed: ListedCase, say: Say, zone: tzinfo) -> Iterator[str]:
    case, decision = listed.case, listed.decision
    yield case.id
    for at in (case.created_at, case.start):
        yield datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")
    yield from (case.room, case.speaker, case.label, SEVERITIES[case.severity], f"{case.risk:.2f}", case.language)
    yield from (case.policy, case.status, case.verdict or "", decision.moderator if decision else "")
    yield " / ".join(_csv_words(flag, say) for flag in sorted(listed.flags, key=lambda flag: flag.start))


def _csv_words(flag: Flag, say: Say) -> str:
    return f"{say(f'sound.{flag.sound.kind}')} {flag.sound.name}".rstrip() if flag.sound else flag.text


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULAS) else cell


def _wanted(request: Request, services: Services, terms: Sequence[QueryTerm]) -> Wanted:
    return plan(terms, services.labels, services.clock(), zone_of(request), _named(services))


def _named(services: Services) -> Mapping[str, tuple[str, ...]]:
    """Return the names of each kind of sound in all languages of the console, folded."""
    return {
        kind: tuple(fold(services.texts.say(language, f"sound.{kind}")) for language in services.texts.names)
        for kind in get_args(HeardKind)
    }


def _results(
    services: Services, connection: Connection, session: LoginSession, terms: Sequence[QueryTerm], wanted: Wanted
) -> dict[str, Any]:
    """Return the values of `search.html` about the results."""
    viewer = viewer_of(services, connection, session)
    found = finding.find_cases(connection, wanted, viewer)
    counts = finding.facets(connection, wanted, viewer, found)
    values = _rows(connection, terms, wanted, finding.ordered(found, wanted.order)[:PAGE])
    facets = {name: _choices(name, terms, wanted, counts[name]) for name in finding.FACETS}
    return values | {"count": len(found), "facets": facets, "order": wanted.order, "orders": _orders(terms)}


def _orders(terms: Sequence[QueryTerm]) -> dict[str, str]:
    """Return the address of the same search in each order."""
    others = [term for term in terms if term.field != "sort"]
    orders = {name: address(write_query([*others, QueryTerm("sort", (name,))])) for name in finding.ORDERS}
    return {"newest": address(write_query(others)), **orders}


def _after(connection: Connection, wanted: Wanted, viewer: Viewer, place: Place) -> list[FoundCase]:
    """Return the next page of results after a place."""
    # Newest first is the order of an index, so the database pages. The other orders are sorted here, up to COUNTED
    # cases.
    key = finding.ORDERS.get(wanted.order)
    if key is None:
        return finding.find_cases(connection, wanted, viewer, place, PAGE)
    found = finding.ordered(finding.find_cases(connection, wanted, viewer), wanted.order)
    return [one for one in found if key(one) > place][:PAGE]


def _rows(
    connection: Connection, terms: Sequence[QueryTerm], wanted: Wanted, found: Sequence[FoundCase]
) -> dict[str, Any]:
    """Return the values of `search_rows.html`."""
    q, more = write_query(terms), ""
    if len(found) == PAGE:
        at, after = finding.ORDERS.get(wanted.order, attrgetter("place"))(found[-1])
        more = "/search/rows?" + urlencode({"q": q, "at": repr(at), "after": after})
    rows = [found_row(row, wanted.phrases) for row in list_cases(connection, [one.id for one in found])]
    return {"rows": rows, "more": more, "q": q}


def _chips(request: Request, terms: Sequence[QueryTerm]) -> list[Chip]:
    """Return a chip for each term, with the search that is left without it."""
    return [
        Chip(term.field, _shown(request, term), address(write_query([*terms[:number], *terms[number + 1 :]])))
        for number, term in enumerate(terms)
    ]


def _shown(request: Request, term: QueryTerm) -> str:
    name = partial(label_name, request) if term.field == "label" else str
    return " | ".join(name(value) for value in term.values)


def _choices(name: Field, terms: Sequence[QueryTerm], wanted: Wanted, counts: Mapping[str, int]) -> list[FacetChoice]:
    """Return the values of a facet: all of a known set, or the most frequent ones."""
    frequent = sorted((code for code in counts if code), key=lambda code: (-counts[code], code))
    words = WORDS.get(name) or {code: code for code in frequent[:MOST_LANGUAGES]}
    chosen = {str(value) for value in getattr(wanted, name)}
    return [
        FacetChoice(value, counts.get(value, 0), value in chosen, _toggled(name, terms, words, chosen, value))
        for value in words
    ]


def _toggled(name: Field, terms: Sequence[QueryTerm], words: Mapping[str, str], chosen: set[str], value: str) -> str:
    """Return the search with `value` chosen in a facet, or not chosen any more."""
    kept = tuple(words.get(one, one) for one in sorted(chosen ^ {value}))
    # A case must have all that `has` names, so each value is a term of its own.
    groups = [(one,) for one in kept] if name == "has" else [kept] if kept else []
    others = (term for term in terms if term.field != name)
    return address(write_query([*others, *(QueryTerm(name, group) for group in groups)]))


def _log(services: Services, session: LoginSession, action: str, wanted: Wanted, count: int) -> None:
    """Write who searched for what. Words and speakers stand there as hashes: docs/security.md says why."""
    detail = {name: value for name in wanted.__struct_fields__ if (value := getattr(wanted, name)) not in {None, ()}}
    if wanted.said:
        detail["said"] = [[pseudonym(phrase) for phrase in phrases] for phrases in wanted.said]
    if wanted.speaker:
        detail["speaker"] = [pseudonym(speaker) for speaker in wanted.speaker]
    with services.database.write() as connection:
        audit_log.append(connection, services.clock(), session.account.name, action, "cases", detail | {"found": count})
