"""Reports for Coop, at a real receiver."""

import base64
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from pipeline.base.errors import ConfigError
from pipeline.base.metrics import Metrics
from pipeline.judge import labels
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox, webhook_sender, webhook_targets
from pipeline.review.delivery.event_outbox import OutboxEvent
from pipeline.review.delivery.events_for_apps import RAISED, flag_payload
from pipeline.review.delivery.webhook_targets import CoopReports, flag_of
from pipeline.settings import CoopSettings, Settings, WebhookSettings
from tests.builders import NOON, flag
from tests.pipeline.review.delivery.receiver import ReceivingApp, Reply, receiving

COOP = CoopSettings(
    api_key=SecretStr("key of coop"), item_type="speech", user_type="user", policies={"violence": "p-threats"}
)
SCHEMA = Draft202012Validator(yaml.safe_load((Path(__file__).parent / "formats/coop.yaml").read_text("utf-8")))


@pytest.fixture
def coop() -> Iterator[ReceivingApp]:
    with receiving() as server:
        yield server


def settings(coop: ReceivingApp) -> Settings:
    secret = SecretStr(f"whsec_{base64.b64encode(bytes(32)).decode()}")
    return Settings(webhooks=WebhookSettings(url=coop.url, format="coop", secret=secret, coop=COOP))


def report(one: Any) -> Any:
    event = OutboxEvent("event", RAISED, flag_payload(one, "case-1"), NOON + 7, NOON + 7, 1)
    found = json.loads(CoopReports(COOP, "https://mod.example.org").render(flag_of(event)).body)
    SCHEMA.validate(found)
    return found


@pytest.mark.parametrize(("label", "suggestion"), [*product(labels.load_labels().labels, ["review", "block"])])
def test_each_label_and_suggestion_is_a_valid_report(label: str, suggestion: str) -> None:
    found = report(flag(suggestion=suggestion, flagged=(label,)))
    assert found["reportedForReason"].get("policyId") == COOP.policies.get(label)


def test_a_report_is_about_the_case_and_names_the_speaker() -> None:
    found = report(flag(text="茶馆", speaker="本", drill="d1", labels={"violence": 0.91}))
    item = found["reportedItem"]
    assert (item["id"], item["typeId"], item["data"]["speaker"]) == ("case-1", "speech", {"id": "本", "typeId": "user"})
    assert (item["data"]["text"], item["data"]["drill"]) == ("茶馆", "d1")
    assert item["data"]["link"] == "https://mod.example.org/cases/case-1"
    assert found["reportedForReason"] == {"policyId": "p-threats", "reason": "review: violence 0.91"}
    assert "csam" not in found["reportedForReason"]


def test_a_flag_without_labels_is_a_valid_report() -> None:
    assert report(flag(flagged=(), labels={}, hits=(), text=""))["reportedForReason"] == {"reason": "review"}


async def test_coop_gets_reports_with_the_key_until_it_accepts_them(sqlite_url: str, coop: ReceivingApp) -> None:
    database, now = Database(sqlite_url), [NOON]
    sender = webhook_sender.build_webhooks(settings(coop), database, Metrics(), lambda: now[0])
    assert sender is not None
    with database.write() as connection:
        for number in range(2):
            one = flag(f"{number}", number)
            event_outbox.store_event(connection, RAISED, one.id, flag_payload(one, "case"), NOON, NOON + number)
    coop.answer = lambda got: Reply(503 if len(coop.got) == 1 else 201, body=b'{"reportId": "r"}')
    for _ in range(3):
        await sender.send_due()
        now[0] += 1
    await sender.close()
    database.close()
    starts = [got.event["reportedItem"]["data"]["start"] for got in coop.got]
    assert [start[17:] for start in starts] == ["00.000Z", "00.000Z", "01.000Z"], "in order, after a retry"
    assert {got.headers["x-api-key"] for got in coop.got} == {"key of coop"}


def test_what_coop_needs_is_checked_at_the_start(coop: ReceivingApp) -> None:
    bare = Settings(webhooks=WebhookSettings(url=coop.url, format="coop"))
    with pytest.raises(ConfigError, match=r"coop needs webhooks\.coop\.api_key and webhooks\.coop\.item_type and"):
        webhook_targets.targets(bare)
    misspelt = COOP.model_copy(update={"policies": {"violense": "p"}})
    wrong = Settings(webhooks=WebhookSettings(url=coop.url, format="coop", coop=misspelt))
    with pytest.raises(ConfigError, match=r"webhooks\.coop\.policies: unknown label violense"):
        webhook_targets.targets(wrong)
