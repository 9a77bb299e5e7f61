"""The PDF has the same bytes each time, and a missing program has a remedy."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.assessment.report import html, pdf
from pipeline.base.errors import ConfigError, DependencyError
from tests.pipeline.assessment.report import samples

PAGE = '<html lang="zh-Hans"><body style="font-family: Noto Sans CJK SC">安全评估 <b>99.2%</b></body></html>'
MAKE = "import sys; from pipeline.assessment.report import pdf; sys.stdout.buffer.write(pdf.render(sys.argv[1]))"


@pytest.mark.full
def test_another_process_makes_the_same_bytes() -> None:
    made = pdf.render(PAGE)
    assert made.startswith(b"%PDF")
    again = subprocess.run([sys.executable, "-c", MAKE, PAGE], capture_output=True, check=True)
    assert again.stdout == made


def test_a_whole_report_becomes_a_pdf() -> None:
    made = pdf.render(html.render(samples.final(), "zh"))
    assert made.count(b"/Type /Page\n") + made.count(b"/Type /Page/") > 10 or len(made) > 100_000


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
