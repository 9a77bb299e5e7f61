"""The page of banned recordings in a browser: upload, refusals in place, and removal after a question."""

from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, expect

from pipeline.console.policy.banned_recordings_page import MAX_MIB, PAGE
from pipeline.speech.audio.encode import encode_opus_clip
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import in_both_themes
from tests.pipeline.sound.fingerprints.music import tune


@pytest.fixture
def song(tmp_path: Path) -> Path:
    (tmp_path / "anthem.ogg").write_bytes(encode_opus_clip(tune(1), 32_000))
    return tmp_path / "anthem.ogg"


def ban(page: Page, file: Path) -> None:
    page.set_input_files("input[name=file]", file)
    page.get_by_role("button", name="Ban it").click()


def test_a_lead_bans_a_recording_and_removes_it(stack: Stack, sit: Sit, song: Path) -> None:
    page = sit("lea", path=PAGE, reduced_motion="reduce")
    expect(page.locator(".empty")).to_contain_text("No recording is banned")
    notes = song.with_name("notes.mp3")
    notes.write_text("no audio")
    page.get_by_label("Reason").fill("Notice 4711")
    ban(page, notes)
    expect(page.locator("#conflict [role=alert]")).to_contain_text("“notes” cannot be read to its end as audio")
    assert in_both_themes(page) == []
    ban(page, song)  # what was typed is still there
    expect(page.get_by_role("status").filter(has_text="banned now")).to_contain_text("anthem")
    row = page.locator("tr.open")
    expect(row).to_contain_text("Notice 4711")
    assert in_both_themes(page) == []

    asked: list[str] = []

    def keep(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", keep)
    page.get_by_role("button", name="Remove anthem").click()
    expect(row).to_be_visible()
    assert asked == ["Remove “anthem”? Rooms may then play it. To ban it again, you need the file."]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove anthem").click()
    expect(page.locator(".empty")).to_contain_text("No recording is banned")


def test_a_file_that_is_too_large_is_not_sent(stack: Stack, sit: Sit, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate((MAX_MIB << 20) + 1)
    page = sit("lea", path=PAGE)
    page.get_by_label("Reason").fill("Notice 4711")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    ban(page, large)
    message = page.locator("input[name=file]").evaluate("(input) => input.validationMessage")
    assert message == f"The file is larger than {MAX_MIB} MB. Cut it into parts, or save it as MP3 or Ogg."
    assert sent == []


@pytest.mark.parametrize("path", [PAGE, "/policies"])
def test_policies_and_recordings_are_tabs_of_one_place(stack: Stack, sit: Sit, path: str) -> None:
    page = sit("aud", path=path)
    expect(page.locator(".tabs a")).to_have_text(["Policy", "Banned recordings"])
    expect(page.locator(f".tabs a[href='{path}']")).to_have_attribute("aria-current", "page")
    expect(page.locator(".top nav a[aria-current]")).to_have_text("Policies")
