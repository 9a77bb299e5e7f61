"""The pages of drills."""

import re

from pipeline.assessment import drills
from pipeline.assessment.drill_speech import DrillLine
from pipeline.assessment.drills import Drill
from pipeline.review.cases import reading
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Confirmation
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

LINES = [
    DrillLine("zh-violence-1", "zh", "violence", "打死你"),
    DrillLine("zh-violence-2", "zh", "violence", "弄死你"),
    DrillLine("en-clean-1", "en", "", "good <evening>"),
]
DAY = 86_400.0
CHINESE = {"accept-language": "zh-CN"}


def detected(console: Console) -> Drill:
    """Hold a drill in which clean speech passes, and one of two violent lines is caught, under another label."""
    with console.database.write() as connection:
        drill, rooms = drills.begin(connection, LINES, "lea", NOON)
        for room in rooms:
            drills.spoken(connection, drill.id, room, NOON + 5)
    first, second, clean = rooms
    said = {"speaker": "drill", "drill": drill.id}
    console.store.add([flag("a", 4, 5, room=first, suggestion="review", flagged=("abuse",), **said)], NOON + 7)
    console.store.add([flag("b", 4, 5, room=clean, suggestion="pass", flagged=(), hits=(), **said)], NOON + 7)
    del second
    with console.database.write() as connection:
        drills.end(connection, drill.id, "lea", NOON + 60)
    return drill


def test_a_drill_has_results_by_label_and_language(console: Console, enter: Enter) -> None:
    drill = detected(console)
    page = enter("aud").get(f"/assessment/drills/{drill.id}").text
    rows = [re.sub(r"<[^>]+>|\s+", " ", row) for row in re.findall("<tr>.*?</tr>", page, re.DOTALL)]
    tidy = [" ".join(row.split()) for row in rows]
    assert "English clean speech ✓ 1 / 1 1 / 1 –" in tidy
    assert "Mandarin Threats and violence ◆ 1 / 2 1 / 2 0 / 2" in tidy
    assert "no flag" in page
    assert "good &lt;evening&gt;" in page
    assert "median 2 s, longest 2 s" in page
    assert re.findall(">([a-z]+ the drill)<", page) == ["ended the drill", "began the drill"]
    assert "识别演练" in enter("aud").get(f"/assessment/drills/{drill.id}", headers=CHINESE).text


def test_the_schedule_says_which_drills_are_due(console: Console, enter: Enter) -> None:
    detected(console)
    aud = enter("aud")
    page = aud.get("/assessment/drills").text
    assert page.count("due now") == 1  # the stop drill
    assert "2026-04-01" in page  # 90 days after the detection drill
    assert "2 / 3" in page
    console.clock.now += 91 * DAY
    page = enter("aud").get("/assessment/drills").text
    assert page.count("due now") == 2


def test_a_lead_orders_a_stop_drill_and_sees_what_the_app_confirms(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    rooms = {"rooms": "test-1\n\n test-2 \r\n", "sure": "yes"}
    assert lea.post("/assessment/drills", data={"rooms": "test-1"}).status_code == 422
    assert lea.post("/assessment/drills", data=rooms | {"rooms": "a\na"}).status_code == 422
    assert lea.post("/assessment/drills", data=rooms | {"rooms": "\n".join(map(str, range(101)))}).status_code == 422
    path = lea.post("/assessment/drills", data=rooms).headers["location"]
    page = lea.get(path).text
    assert page.count("not confirmed") == 2
    assert "running" in page
    with console.database.write() as connection:
        [drill] = drills.all_drills(connection, "stop")
        decision = next(each for each in reading.decisions_since(connection, NOON) if each.action == "close_room")
        done = Confirmation(decision=decision.id, action="close_room", result="done", at=NOON + 3, received_at=NOON + 3)
        enforcements.confirm(connection, done)
    page = lea.get(path).text
    assert page.count("not confirmed") == 1
    assert "1 / 2" in page
    assert "median 3 s" in page
    assert lea.post(f"{path}/end").status_code == 303
    assert lea.post(f"{path}/end").status_code == 409
    assert "running" not in lea.get(path).text
    with console.database.read() as connection:
        assert drills.get(connection, drill.id).ended_at == NOON


def test_an_unknown_drill_is_not_found(enter: Enter) -> None:
    assert enter("lea").get("/assessment/drills/stop-20260101-aaaaaa").status_code == 404
    assert enter("lea").post("/assessment/drills/stop-20260101-aaaaaa/end").status_code == 404
