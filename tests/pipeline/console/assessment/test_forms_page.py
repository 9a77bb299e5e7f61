"""The pages of the fields that people fill in."""

import re

from pipeline.assessment import forms
from pipeline.assessment.report import assessments
from pipeline.assessment.report.content import ITEMS
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter

HTMX = {"hx-request": "true"}


def opened(console: Console) -> str:
    with console.database.write() as connection:
        return assessments.open_one(connection, "Harbour", assessments.default_window(NOON), "lea", NOON).id


def test_without_an_assessment_the_page_says_so(enter: Enter) -> None:
    assert "There is no assessment yet" in enter("aud").get("/assessment/forms").text


def test_the_page_has_the_eight_items_and_what_is_missing(console: Console, enter: Enter) -> None:
    identity = opened(console)
    page = enter("lea").get("/assessment/forms", follow_redirects=True).text
    with console.database.read() as connection:
        answers, missing = forms.answers(connection, identity), forms.missing(connection, identity)
    assert page.count('class="question"') == len(answers)
    assert f"{len(missing)} required fields are empty" in page
    assert [page.count(f"<h2>Article {item}") for item in ITEMS] == [1] * 8
    assert 'href="/assessment/indicators/I-02"' in page


def test_each_field_is_saved_alone_with_its_author(console: Console, enter: Enter) -> None:
    identity = opened(console)
    lea = enter("lea")
    answer = lea.post(f"/assessment/forms/{identity}/service_name", data={"text": "Harbour & friends"}, headers=HTMX)
    assert answer.status_code == 200
    assert 'value="Harbour &amp; friends"' in answer.text
    assert '<bdi>lea</bdi> · <time datetime="2026-01-01T12:00:00Z"' in answer.text
    assert 'id="missing"' in answer.text
    assert "service_name" not in answer.text.partition('id="missing"')[2]
    page = enter("aud").get(f"/assessment/forms/{identity}").text
    assert "Harbour &amp; friends" in page
    assert "hx-post" not in page


def test_a_choice_that_adds_fields_loads_the_page_again(console: Console, enter: Enter) -> None:
    identity = opened(console)
    path = f"/assessment/forms/{identity}"
    lea = enter("lea")
    assert 'id="f-organisation_name"' not in lea.get(path).text
    answer = lea.post(f"{path}/subject_kind", data={"text": "organisation"}, headers=HTMX)
    assert answer.headers["hx-refresh"] == "true"
    assert 'id="f-organisation_name"' in lea.get(path).text


def test_a_wrong_answer_is_refused_beside_its_field(console: Console, enter: Enter) -> None:
    identity = opened(console)
    lea = enter("lea")
    answer = lea.post(f"/assessment/forms/{identity}/subject_kind", data={"text": "club"}, headers=HTMX)
    assert (answer.status_code, answer.headers["hx-retarget"]) == (422, "#problem-subject_kind")
    assert "This answer is not allowed here. It was not saved." in answer.text
    assert lea.post(f"/assessment/forms/{identity}/no_such_field", data={"text": "x"}).status_code == 422
    assert lea.post("/assessment/forms/2026-9/service_name", data={"text": "x"}).status_code == 404
    with console.database.read() as connection:
        assert not any(each.text for each in forms.answers(connection, identity))


def test_several_choices_are_one_answer(console: Console, enter: Enter) -> None:
    identity = opened(console)
    name, field = next((name, each) for name, each in forms.form().fields.items() if each.type == "choices")
    keys = list(field.choices)[:2]
    enter("lea").post(f"/assessment/forms/{identity}/{name}", data={"text": keys}, headers=HTMX)
    with console.database.read() as connection:
        [saved] = [each for each in forms.answers(connection, identity) if each.id == name]
    assert saved.text == ",".join(keys)


def test_nobody_replaces_an_answer_unseen(console: Console, enter: Enter) -> None:
    identity = opened(console)
    path = f"/assessment/forms/{identity}/service_name"
    lea, ada = enter("lea"), enter("ada")
    assert lea.post(path, data={"text": "Lea's <b>", "seen": "0"}, headers=HTMX).status_code == 200
    answer = ada.post(path, data={"text": "Ada's", "seen": "0"}, headers=HTMX)
    assert (answer.status_code, answer.headers["hx-retarget"]) == (409, "#problem-service_name")
    assert '<bdi>lea</bdi> answered this at <time datetime="2026-01-01T12:00:00Z"' in answer.text
    assert "Lea&#39;s &lt;b&gt;" in answer.text
    [seen] = re.findall('name="seen" value="([^"]+)"', answer.text)
    assert ada.post(path, data={"text": "Ada's", "seen": seen}, headers=HTMX).status_code == 200
    assert lea.post(path, data={"text": "Ada's", "seen": seen}, headers=HTMX).status_code == 200  # the same text
    with console.database.read() as connection:
        assert [text for _, _, text in forms.history(connection, identity, "service_name")] == ["Lea's <b>", "Ada's"]


def test_a_long_answer_of_somebody_else_is_shown_whole(console: Console, enter: Enter) -> None:
    path = f"/assessment/forms/{opened(console)}/conclusion"
    whole = "All hazards are closed. " * 100
    enter("lea").post(path, data={"text": whole, "seen": "0"}, headers=HTMX)
    assert whole.strip() in enter("ada").post(path, data={"text": "Mine", "seen": "0"}, headers=HTMX).text


def test_long_and_pasted_text_is_kept_as_it_is(console: Console, enter: Enter) -> None:
    identity = opened(console)
    name = next(name for name, each in forms.form().fields.items() if each.type == "long" and not each.only_if)
    text = "<script>alert(1)</script>\n" + "审" * 10_000
    path = f"/assessment/forms/{identity}/{name}"
    answer = enter("lea").post(path, data={"text": text}, headers=HTMX)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "审" * 10_000 in answer.text
    assert enter("lea").post(path, data={"text": "x" * 20_001}, headers=HTMX).status_code == 422
