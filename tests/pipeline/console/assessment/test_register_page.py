"""The pages of the register."""

import re
from typing import get_args

import pytest

from pipeline.assessment import register
from pipeline.assessment.register import KINDS, Kind, Record
from pipeline.console.assessment.register_page import MOST, FieldKind, fields_of
from pipeline.console.console_texts import Texts
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter

LATE = "</span> late</span>"
HTMX = {"hx-request": "true"}
REQUEST = {
    "kind": "authority_request",
    "field.authority": "市公安局",
    "field.reference": "公网调〔2026〕7号",
    "field.legal_basis": "网络安全法 30",
    "field.approver": "lea",
    "field.exports": "2",
    "field.signed": "1",
    "opened": "2026-01-01T16:00",
    "due": "2026-01-01T19:00",
}


def stored(console: Console) -> list[Record]:
    with console.database.read() as connection:
        return register.all_records(connection)


def test_a_lead_adds_changes_and_closes_an_entry(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    answer = lea.post("/assessment/register", data=REQUEST)
    assert answer.status_code == 303
    path = answer.headers["location"]
    [entry] = stored(console)
    assert (entry.opened_at, entry.due_at, entry.closed_at) == (NOON - 4 * 3_600, NOON - 3_600, None)
    assert (entry.fields["authority"], entry.fields["exports"], entry.author) == ("市公安局", 2, "lea")
    page = lea.get(path).text
    assert "公网调〔2026〕7号" in page
    assert LATE in page
    assert lea.post(path, data={"field.exports": "", "field.signed": "9"}).status_code == 422
    assert lea.post(path, data={"field.note": "first\nsecond"}).status_code == 303
    assert lea.post(f"{path}/close", data={"closed": "2026-01-01T21:00"}).status_code == 422
    assert lea.post(f"{path}/close", data={"closed": "2026-01-01T18:30"}).status_code == 303
    assert lea.post(f"{path}/close").status_code == 409
    [entry] = stored(console)
    assert (entry.fields["note"], entry.fields["exports"]) == ("first\nsecond", 2)
    assert entry.closed_at == NOON - 5_400
    page = lea.get(path).text
    assert re.findall(">([a-z]+ the entry)<", page) == ["closed the entry", "changed the entry", "added the entry"]
    assert LATE not in page


def test_every_kind_has_a_form_that_stores_what_it_asks(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    values = {"line": "x", "long": "y", "count": "0", "share": "0.5", "flag": "true"}
    for kind in KINDS:
        page = lea.get("/assessment/register/new", params={"kind": kind}).text
        fields = fields_of(kind)
        assert re.findall('name="field[.]([a-z_]+)"', page) == [field.name for field in fields]
        given = {f"field.{field.name}": (*field.choices, values.get(field.kind, ""))[0] for field in fields}
        assert lea.post("/assessment/register", data={"kind": kind} | given).status_code == 303, kind
    assert {entry.kind for entry in stored(console)} == KINDS.keys()
    page = enter("aud").get("/assessment/register").text
    assert all(f"/assessment/register/{entry.id}" in page for entry in stored(console))


def test_a_box_that_is_not_ticked_is_no(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    given = {"field.version": "default@2", "field.reason": "new terms", "field.emergency": "true"}
    path = lea.post("/assessment/register", data={"kind": "policy_change"} | given).headers["location"]
    assert stored(console)[0].fields["emergency"] is True
    del given["field.emergency"]
    lea.post(path, data=given)
    assert stored(console)[0].fields["emergency"] is False


def test_the_list_has_filters(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        incident = register.add(connection, "incident", {"title": "t", "severity": "low"}, "lea", NOON).id
        fields = {"backup": "b", "result": "passed"}
        test = register.add(connection, "restore_test", fields, "lea", NOON, closed_at=NOON).id
    aud = enter("aud")
    for query, shown in (("", {incident, test}), ("?kind=incident", {incident}), ("?open=true", {incident})):
        page = aud.get(f"/assessment/register{query}").text
        assert {one for one in (incident, test) if one in page} == shown
    assert aud.get("/assessment/register?kind=incident&open=").status_code == 422
    assert aud.get("/assessment/register?kind=none").status_code == 422


def test_a_long_register_shows_its_newest_entries(console: Console, enter: Enter) -> None:
    fields = {"title": "t", "severity": "low"}
    with console.database.write() as connection:
        made = [
            register.add(connection, "incident", fields, "lea", NOON, opened_at=NOON - number)
            for number in range(MOST + 1)
        ]
    page = enter("aud").get("/assessment/register").text
    assert made[0].id in page
    assert made[-1].id not in page
    assert f"the first {MOST}" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"field.exports": "-1"},
        {"field.exports": "many"},
        {"field.signed": "3"},
        {"field.authority": ""},
        {"field.authority": "x" * 501},
        {"field.note": "x" * 10_001},
        {"field.note": "\x00"},
        {"field.other": "x"},
        {"opened": "2026-01-01T12:00Z"},
        {"opened": "9999-01-01T12:00"},
        {"due": "2026-01-01T15:00"},
        {"kind": "none"},
    ],
)
def test_wrong_input_stores_nothing(console: Console, enter: Enter, wrong: dict[str, str]) -> None:
    assert enter("lea").post("/assessment/register", data=REQUEST | wrong).status_code == 422
    assert stored(console) == []


def test_what_people_write_is_shown_as_text(console: Console, enter: Enter) -> None:
    given = REQUEST | {"field.note": "<script>alert(1)</script>", "field.authority": "<b>x</b>"}
    lea = enter("lea")
    path = lea.post("/assessment/register", data=given).headers["location"]
    for page in (lea.get(path).text, lea.get("/assessment/register").text):
        assert "<script>alert" not in page
        assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_an_auditor_reads_and_a_moderator_sees_nothing(console: Console, enter: Enter) -> None:
    path = enter("lea").post("/assessment/register", data=REQUEST).headers["location"]
    page = enter("aud").get(path, headers={"accept-language": "zh-CN"}).text
    assert "主管部门" in page
    assert '<form method="post" hx-boost' not in page
    assert enter("ana").get(path).status_code == 403


def test_a_page_that_sends_a_form_is_updated_in_place(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    path = lea.post("/assessment/register", data=REQUEST).headers["location"]
    for current, header in ((f"{console.url}{path}", "hx-location"), (f"{console.url}/queue", "hx-redirect")):
        headers = HTMX | {"hx-current-url": current}
        answer = lea.post(path, data={"field.note": current}, headers=headers)
        assert answer.status_code == 200
        assert path in answer.headers[header]


def test_every_kind_and_field_has_texts() -> None:
    for language in ("en", "zh"):
        texts = Texts().catalogue(language)
        for kind in get_args(Kind):
            assert f"assess.register.about.{kind}" in texts
            for field in fields_of(kind):
                assert f"assess.register.field.{field.name}" in texts
                group = "severity" if field.name == "severity" else "assess.register.choice"
                assert {f"{group}.{choice}" for choice in field.choices} <= texts.keys()


def test_the_kinds_have_inputs_of_each_sort() -> None:
    found = {field.kind for kind in KINDS for field in fields_of(kind)}
    assert found == set(get_args(FieldKind))
