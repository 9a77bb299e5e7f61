"""The public page has figures only."""

import pytest

from pipeline.assessment.report import transparency
from pipeline.assessment.report.numbers import LANGUAGES, Language
from tests.pipeline.assessment.report import samples


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_no_hand_written_text_and_no_ids(language: Language) -> None:
    page = transparency.render(samples.report(), language)
    assert 'href="#I-12"' in page
    for hidden in (samples.SAID.splitlines()[0], "lena", "H-1", samples.HASH, "2026-1<"):
        assert hidden not in page
