"""The PDF has the same bytes each time, and a missing program has a remedy."""

import subprocess
import sys
from pathlib import Path

import pytest
import weasyprint

from pipeline.assessment.report import html, pdf
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.wording import LANGUAGES, Language
from pipeline.base.errors import ConfigError, DependencyError
from tests.pipeline.assessment.report import samples

PAGE = '<html lang="zh-Hans"><body style="font-family: Noto Sans CJK SC">安全评估 <b>99.2%</b></body></html>'
PAGES = 20
MAKE = "import sys; from pipeline.assessment.report import pdf; sys.stdout.buffer.write(pdf.render(sys.argv[1]))"


@pytest.mark.full
def test_another_process_makes_the_same_bytes() -> None:
    made = pdf.render(PAGE)
    assert made.startswith(b"%PDF")
    again = subprocess.run([sys.executable, "-c", MAKE, PAGE], capture_output=True, check=True)
    assert again.stdout == made


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("report", [samples.final(), samples.crowded()], ids=["usual", "crowded"])
def test_a_report_begins_with_one_page_of_summary_and_is_short(report: AssessmentReport, language: Language) -> None:
    pages = weasyprint.HTML(string=html.render(report, language)).render().pages
    assert len(pages) <= PAGES
    assert ["summary" in page.anchors for page in pages] == [True] + [False] * (len(pages) - 1)


def test_a_picture_from_outside_is_not_loaded(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    made = pdf.render(
        f'<html><body><img src="file://{secret}"><link rel="attachment" href="file://{secret}"></body></html>'
    )
    assert b"EmbeddedFile" not in made


@pytest.mark.parametrize(
    ("missing", "kind", "remedy"), [(None, ConfigError, "pip install"), (OSError("pango"), DependencyError, "apt-get")]
)
def test_a_missing_program_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: OSError | None, kind: type[Exception], remedy: str
) -> None:
    class Finder:
        def find_spec(self, name: str, *args: object) -> None:
            if name == "weasyprint":
                raise missing or ModuleNotFoundError(f"No module named {name}", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(kind, match=remedy):
        pdf.render(PAGE)
