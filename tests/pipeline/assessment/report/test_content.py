"""The content of a report survives its JSON."""

import pytest

from pipeline.assessment.report import content
from pipeline.base.errors import InputError
from tests.pipeline.assessment.report import samples


def test_a_report_read_back_has_the_same_bytes() -> None:
    written = content.encode(samples.report())
    assert content.encode(content.decode(written, "it")) == written


def test_all_eight_items_have_a_place_between_the_parts() -> None:
    assert content.PARTS == ("1", "5(1)", "5(2)", "5(3)", "5(4)", "5(5)", "5(6)", "5(7)", "5(8)", "3", "4")


def test_only_required_fields_can_be_missing() -> None:
    [first, *others] = samples.answers()
    blank = samples.report(answers=(samples.blank(first), samples.blank(first, required=False), *others))
    assert [answer.required for answer in blank.missing] == [True]


@pytest.mark.parametrize(
    "written", [b"{", b'{"x":' + b"[" * 100_000, b'{"id": 1}', content.encode(samples.report(format=2))]
)
def test_other_content_is_an_error(written: bytes) -> None:
    with pytest.raises(InputError, match="it "):
        content.decode(written, "it")
