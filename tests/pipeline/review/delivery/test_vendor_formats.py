"""The shapes of vendors: each is valid by the vendor's field tables, for all that a flag can say."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import structs

from pipeline.contract.messages import Flag
from pipeline.judge import labels
from pipeline.review.cases.case_values import all_fields
from pipeline.review.delivery import vendor_formats, webhook_targets
from pipeline.review.delivery.event_outbox import OutboxEvent
from pipeline.review.delivery.events_for_apps import RAISED, RaisedFlag, flag_payload
from pipeline.review.delivery.vendor_formats import AtVendor, VendorName
from pipeline.review.delivery.webhook_targets import flag_of
from tests.builders import NOON, flag
from tests.pipeline.review.delivery.vendor_receivers import ACCOUNT, BUSINESS, KEY, READERS

LABELS = labels.load_labels()
CUSTOMER = AtVendor(LABELS, ACCOUNT, BUSINESS, KEY)
OTHERS: dict[VendorName, str] = {
    "tencent": vendor_formats.TENCENT_OTHER,
    "alibaba": vendor_formats.ALIBABA_OTHER,
    "yidun": vendor_formats.YIDUN_OTHER,
    "shumei": vendor_formats.SHUMEI_OTHER,
}


def schema(name: str) -> Draft202012Validator:
    found = yaml.safe_load((Path(__file__).parent / f"formats/{name}.yaml").read_text("utf-8"))
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


NAMES = sorted(webhook_targets.VENDORS)
SCHEMAS = {name: schema(name) for name in NAMES}


def event(one: Flag) -> OutboxEvent:
    return OutboxEvent("event", RAISED, flag_payload(one, "case"), NOON + 7, NOON + 7, 1)


def told(name: str, one: Flag, customer: AtVendor = CUSTOMER) -> Any:
    """Return what the vendor's receiver reads, after it checked the signature and the schema."""
    found = READERS[name](webhook_targets.VENDORS[name](flag_of(event(one)), customer))
    SCHEMAS[name].validate(found)
    return found


def test_there_is_a_schema_and_a_reader_for_each_vendor() -> None:
    assert set(SCHEMAS) == set(READERS) == set(webhook_targets.VENDORS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("label", "suggestion"), [*product(LABELS.labels, ["review", "block"])])
def test_each_label_and_suggestion_is_valid(name: str, label: str, suggestion: str) -> None:
    told(name, flag(suggestion=suggestion, flagged=(label,), labels={label: 0.77}))


WITHOUT: dict[VendorName, set[str]] = {
    "tencent": {"violence", "minor_safety", "terror_extremism", "political_sensitive", "illegal_trade"},
    "alibaba": {"minor_safety"},
    "yidun": {"minor_safety"},
    "shumei": set(),
}
"""Our labels that have no counterpart at one vendor. They become the vendor's label for other things."""
NOWHERE = {"hate", "self_harm", "privacy"}
"""Our labels that have a counterpart at no vendor."""


@pytest.mark.parametrize("vendor", sorted(WITHOUT))
def test_each_label_has_a_counterpart_or_is_explicitly_another_one(vendor: VendorName) -> None:
    for name in LABELS.labels:
        raised = flag_of(event(flag(flagged=(name,))))
        [(theirs, ours)] = CUSTOMER.counterparts(raised, vendor, OTHERS[vendor]).items()
        assert (theirs == OTHERS[vendor]) == (name in WITHOUT[vendor] | NOWHERE)
        assert ours == name


@pytest.mark.parametrize("name", NAMES)
def test_optional_data_may_be_missing(name: str) -> None:
    bare = structs.replace(flag(text=""), labels={}, flagged=(), hits=(), reasons=())
    told(name, bare)
    told(name, structs.replace(bare, flagged=("gone",)))


texts = st.text(max_size=300, alphabet=st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("name", NAMES)
@given(
    text=texts,
    room=texts.filter(bool),
    speaker=texts.filter(bool),
    start=st.floats(0, 1e6),
    seconds=st.floats(0, 600),
    risk=st.floats(0, 1),
    flagged=st.lists(st.sampled_from(sorted(LABELS.labels)), unique=True).map(tuple),
)
def test_any_flag_is_valid(
    name: str, text: str, room: str, speaker: str, start: float, seconds: float, risk: float, flagged: tuple[str, ...]
) -> None:
    one = flag(
        "f", start, start + seconds, text=text, room=room, speaker=speaker, risk=risk, labels={}, flagged=flagged
    )
    told(name, one)


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_event_stays_below_150_kb(name: str) -> None:
    one = flag(text="脏话" * 20_000, room="茶" * 256, speaker="杯" * 256)
    assert len(webhook_targets.VENDORS[name](flag_of(event(one)), CUSTOMER).body) < 150_000
    told(name, one)


TWO = flag(
    suggestion="block", room="茶馆", speaker="本", flagged=("violence", "abuse"), labels={"violence": 0.9, "abuse": 0.6}
)


def test_tencent_gets_its_names_units_and_text() -> None:
    found = told("tencent-ams", structs.replace(TWO, end=TWO.start + 1.25))
    assert (found["DataId"], found["BizType"], found["Suggestion"]) == ("茶馆/本", BUSINESS, "Block")
    assert [(each["Label"], each["SubLabel"], each["Score"]) for each in found["Labels"]] == [
        ("Custom", "violence", 90),
        ("Abuse", "abuse", 60),
    ]
    [segment] = found["AudioSegments"]
    assert (segment["OffsetTime"], segment["Result"]["Duration"]) == (f"{NOON:.0f}", "1250")
    assert segment["Result"]["TextResults"][0]["Keywords"] == ["弄死你"]
    assert found["AudioText"] == TWO.text


def test_tencent_without_a_seed_gets_no_signature() -> None:
    request = vendor_formats.tencent_callback(flag_of(event(TWO)), structs.replace(CUSTOMER, secret=""))
    assert request.headers == {}


def test_the_signature_for_tencent_is_the_one_of_its_own_example() -> None:
    """Tencent's page prints the beginning of the signature of this seed and body: 74."""
    body = b'{"TaskId": "task-video-X0zpcRUMzVidxj20","DataId":"test","Suggestion": "Block"}'
    assert vendor_formats.tencent_signature("dedb6dcc1cb7c63fde8fa5abfd57", body).startswith("74")


def test_alibaba_gets_its_names_units_and_text() -> None:
    data = told("alibaba", structs.replace(TWO, start=NOON + 0.5, end=NOON + 2.25))["Data"]
    assert (data["LiveId"], data["DataId"], data["RiskLevel"]) == ("茶馆", "茶馆/本", "high")
    [piece] = data["SliceDetails"]
    assert (piece["Labels"], piece["RiskTips"]) == ("violence,profanity", "violence_violence,profanity_abuse")
    assert (piece["StartTime"], piece["EndTime"]) == (NOON, NOON + 3)
    assert (piece["StartTimestamp"], piece["EndTimestamp"]) == (NOON * 1000 + 500, NOON * 1000 + 2250)
    assert (piece["RiskWords"], piece["Score"]) == ("弄死你", 90)


def test_yidun_gets_its_names_units_and_text() -> None:
    found = told("yidun", structs.replace(TWO, suggestion="review", risk=0.7))
    evidence = found["antispam"]["evidences"]
    assert (evidence["suggestion"], evidence["suggestionLevel"], evidence["speakerId"]) == (1, 2, "本")
    assert [(each["label"], each["rate"]) for each in evidence["labels"]] == [(300, 0.9), (600, 0.6)]
    assert evidence["labels"][0]["subLabels"][0]["details"]["keywords"] == [{"word": "弄死你"}]
    assert (evidence["startTime"], found["asr"]["content"]) == (NOON * 1000, TWO.text)


def test_shumei_gets_its_names_units_and_text() -> None:
    found = told("shumei", structs.replace(TWO, hits=(structs.replace(TWO.hits[0], start=0, end=3),)))
    detail = found["audioDetail"]
    assert (found["btId"], detail["riskLevel"], detail["riskLabel1"]) == ("茶馆/本", "REJECT", "violence")
    assert detail["riskDescription"] == "威胁暴力"
    assert detail["riskDetail"]["riskSegments"] == [{"segment": "弄死你", "position": [0, 3]}]
    assert detail["auxInfo"]["audioStartTime"] == "2026-01-01 20:00:00.000", "the clock in Beijing"
    assert (detail["auxInfo"]["strUserId"], detail["auxInfo"]["room"]) == ("本", "茶馆")


def test_two_labels_with_one_counterpart_are_said_once() -> None:
    found = told("yidun", structs.replace(TWO, flagged=("terror_extremism", "violence")))
    assert [each["label"] for each in found["antispam"]["evidences"]["labels"]] == [300]


def test_a_stream_keeps_its_task_and_another_speaker_has_another_one() -> None:
    first, second, other = (
        told("tencent-ams", one)["TaskId"] for one in (flag("a"), flag("b", 9.0, 10.0), flag("c", speaker="bob"))
    )
    assert first == second != other


@pytest.mark.parametrize(
    ("template", "name"), [("{room}", "茶馆"), ("{speaker}@{room}", "本@茶馆"), ("fixed", "fixed"), ("{x}", "{x}")]
)
def test_the_customer_chooses_the_id_of_a_stream(template: str, name: str) -> None:
    found = told("tencent-ams", TWO, structs.replace(CUSTOMER, data_id=template))
    assert found["DataId"] == name


def test_the_formats_read_fields_that_every_event_has() -> None:
    required = {field.name for field in structs.fields(RaisedFlag) if field.required}
    assert required - {"raised_at", "case"} <= set(all_fields(TWO))
