"""Cases over HTTP."""

from pathlib import Path

import pytest

from pipeline.review.cases.case_values import Choice
from tests.builders import NOON, flag
from tests.pipeline.connect.api.conftest import CASES, DECIDE, MODERATE, RunningApi

pytestmark = pytest.mark.weights


@pytest.fixture
def stocked(api: RunningApi) -> RunningApi:
    for number in range(5):
        room = "lobby" if number % 2 else "kitchen"
        api.store.add([flag(str(number), number * 100, number * 100 + 5, room=room)], NOON + number)
    return api


def test_cases_come_newest_first_in_pages(stocked: RunningApi) -> None:
    with stocked.client(CASES) as client:
        found, after = [], None
        while True:
            query = {"limit": 2} | ({"after": after} if after else {})
            page = client.get("/v1/cases", params=query).json()
            found += page["data"]
            if (after := page["next"]) is None:
                break
        assert [case["created_at"] - NOON for case in found] == [4, 3, 2, 1, 0]
        assert [found[0][f"{time}_iso"][11:] for time in ("start", "end", "created_at")] == [
            "12:06:40.000Z", "12:06:45.000Z", "12:00:04.000Z",
        ]  # fmt: skip
        assert (found[0]["status"], found[0]["label"], found[0]["verdict"]) == ("pending", "violence", None)
        assert client.get(f"/v1/cases/{found[2]['id']}").json() == found[2] | {"decision": None}


def test_one_case_has_the_decision_that_holds(stocked: RunningApi) -> None:
    with stocked.client(CASES) as client:
        case = client.get("/v1/cases").json()["data"][0]["id"]
        choice = Choice(verdict="uphold", action="mute", duration_seconds=3_600.0, note="private")
        stocked.store.decide(case, "ana", choice, NOON + 10)
        decision = client.get(f"/v1/cases/{case}").json()["decision"]
    assert (decision["action"], decision["duration_seconds"], decision["verdict"]) == ("mute", 3_600, "uphold")
    assert decision["at_iso"] == "2026-01-01T12:00:10.000Z"
    assert decision.keys().isdisjoint({"note", "moderator"})


def test_filters_choose_cases(stocked: RunningApi) -> None:
    with stocked.client(CASES) as client:
        for query, count in (({"room": "lobby"}, 2), ({"since": NOON + 3}, 2), ({"status": "decided"}, 0)):
            assert len(client.get("/v1/cases", params=query).json()["data"]) == count


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/cases/Nope", 404), ("/v1/cases?after=Nope", 404), ("/v1/cases?limit=0", 400), ("/v1/cases?room=%00", 400)],
)
def test_wrong_requests_are_refused(api: RunningApi, path: str, status: int) -> None:
    with api.client(CASES) as client:
        assert client.get(path).status_code == status


@pytest.mark.parametrize(
    ("path", "known"), [("/v1/cases", "Use one of: status, "), ("/v1/models", "Leave it out: this address takes none")]
)
def test_an_unknown_parameter_of_the_query_is_refused(api: RunningApi, path: str, known: str) -> None:
    with api.client(CASES if path == "/v1/cases" else MODERATE) as client:
        answer = client.get(path, params={"room_id": "lobby"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "room_id")
    assert error["message"].startswith("room_id: there is no such parameter")
    assert known in error["message"]


MUTE = {"moderator": "ana", "verdict": "uphold", "reason": "confirmed", "action": "mute", "duration_seconds": 3_600}


def test_a_program_decides_and_undoes(stocked: RunningApi) -> None:
    with stocked.client(DECIDE) as client:
        case = client.get("/v1/cases").json()["data"][0]
        path = f"/v1/cases/{case['id']}/decisions"
        made = client.post(path, json=MUTE | {"version": case["version"]})
        assert made.status_code == 200
        decision = made.json()
        assert (decision["verdict"], decision["action"], decision["duration_seconds"]) == ("uphold", "mute", 3_600)
        assert client.get(f"/v1/cases/{case['id']}").json()["decision"] == decision
        assert client.post(path, json=MUTE).json() == decision, "sent again, it is the same"
        other = client.post(path, json=MUTE | {"moderator": "bob"})
        assert (other.status_code, other.json()["error"]["message"].split(". ")[0]) == (
            409, f"Case {case['id']} is already decided",
        )  # fmt: skip
        mine = f"{path}/{decision['id']}"
        assert client.delete(mine, params={"moderator": "bob"}).status_code == 409
        undone = client.delete(mine, params={"moderator": "ana"}).json()
        assert (undone["status"], undone["decision"]) == ("pending", None)
        assert client.post(path, json=MUTE | {"version": case["version"]}).status_code == 409, "the case has changed"
    [kept] = stocked.store.case(case["id"]).decisions
    assert (kept.moderator, kept.reason, kept.undone is not None) == ("ana", "confirmed", True)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"verdict": "praise"}, 400),
        ({"label": "rudeness"}, 400),
        ({"reason": "mood"}, 400),
        ({"verdict": "dismiss"}, 409),
        ({"action": "warn"}, 409),
        ({"moderator": "a\nb"}, 400),
        ({"note": "a" * 4_001}, 400),
        ({"by": "ana"}, 400),
    ],
)
def test_a_wrong_decision_changes_nothing(stocked: RunningApi, change: dict[str, object], status: int) -> None:
    with stocked.client(DECIDE) as client:
        case = client.get("/v1/cases").json()["data"][0]["id"]
        answer = client.post(f"/v1/cases/{case}/decisions", json=MUTE | change)
        assert answer.status_code == status, answer.text
    assert stocked.store.case(case).decisions == ()


def test_decisions_need_their_scope_and_their_case(stocked: RunningApi) -> None:
    with stocked.client(CASES) as client:
        case = client.get("/v1/cases").json()["data"][0]["id"]
        assert client.post(f"/v1/cases/{case}/decisions", json=MUTE).status_code == 403
        assert client.delete(f"/v1/cases/{case}/decisions/0", params={"moderator": "ana"}).status_code == 403
    with stocked.client(DECIDE) as client:
        assert client.post("/v1/cases/0/decisions", json=MUTE).status_code == 404
        assert client.delete(f"/v1/cases/{case}/decisions/0", params={"moderator": "ana"}).status_code == 404


def test_cases_need_their_scope(api: RunningApi, tmp_path: Path) -> None:
    with api.client(MODERATE) as client:
        assert client.get("/v1/cases").status_code == 403
    with api.client(None) as client:
        assert client.get("/v1/cases").status_code == 401
        assert client.get("/healthz").text == "ok\n"
