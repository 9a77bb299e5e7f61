"""The page of banned recordings: what a lead uploads is in the bank that the listen stage reads."""

import io
import math
import re
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pipeline.console.policy import banned_recordings_page
from pipeline.console.policy.banned_recordings_page import MAX_MIB, PAGE
from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.review import audit_log
from pipeline.review.recording_bank import Bank
from pipeline.sound.fingerprints.matching import RecordingMatcher
from pipeline.sound.fingerprints.recording_detector import loaded
from pipeline.speech.audio.encode import encode_flac, encode_opus_clip
from tests.builders import NOON, sound_flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.servers import words
from tests.pipeline.sound.fingerprints.music import tune
from tests.pipeline.speech.audio.sound import recording

SONG = encode_opus_clip(tune(1), 32_000)


def send(client: httpx.Client, data: bytes = SONG, name: str = "anthem.ogg", **fields: str) -> httpx.Response:
    """Upload a file as the page's form does."""
    files = {"file": (name, io.BytesIO(data), "audio/ogg")}
    return client.post(PAGE, files=files, data={"title": "", "reason": "ticket 4711", "label": ""} | fields)


def bank(console: Console) -> Bank:
    return Bank(console.database.url.render_as_string(hide_password=False))


def identity(answer: httpx.Response) -> str:
    """The id of the recording that was added."""
    assert answer.status_code == 204, answer.text
    return answer.headers["hx-redirect"].removeprefix(f"{PAGE}?added=")


def test_a_lead_bans_a_recording_and_removes_it(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    assert "No recording is banned" in lea.get(PAGE).text
    added = identity(send(lea, title="The <b>anthem", label="terror_extremism"))
    text = lea.get(f"{PAGE}?added={added}").text
    for shown in ("The &lt;b&gt;anthem</bdi> is banned now", "ticket 4711", "0:00:20", "lea", added, "never"):
        assert shown in text
    assert "Terrorism" in words(lea.get(PAGE))

    matcher = RecordingMatcher(loaded(bank(console)).landmarks)
    assert {each.recording for each in matcher.push(tune(1))} == {added}, "the listen stage hears it"

    removed = lea.post(f"{PAGE}/{added}/remove")
    assert (removed.status_code, removed.headers["hx-redirect"]) == (204, PAGE)
    assert bank(console).state() == ()
    assert lea.post(f"{PAGE}/{added}/remove").status_code == 404
    with console.database.read() as connection:
        found = [line for line in audit_log.all_lines(connection) if line.action.startswith("recording.")]
    assert [(line.actor, line.action, line.subject) for line in found] == [
        ("lea", "recording.ban", added),
        ("lea", "recording.unban", added),
    ]
    assert '"title":"The <b>anthem"' in found[0].detail
    assert "banned the recording" in lea.get("/audit").text


def test_the_page_counts_the_cases_in_which_it_was_heard(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    heard = HeardSound(kind="recording", name="anthem", reference=identity(send(lea)), score=0.8)
    console.store.add([sound_flag("a", sound=heard), sound_flag("b", 900, 910, sound=heard, speaker="ben")], NOON)
    text = lea.get(PAGE).text
    assert "Cases: 2" in text
    [link] = re.findall(r'href="(/search\?q=[^"]+)"', text)
    assert "anthem" in words(lea.get(link))


def test_a_large_bank_shows_the_newest_and_is_searched(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    lea = enter("lea")
    old = identity(send(lea, title="The old song"))
    console.clock.now += 60
    new = identity(send(lea, encode_opus_clip(tune(2), 32_000), title="The new song"))
    monkeypatch.setattr(banned_recordings_page, "SHOWN", 1)
    text = lea.get(PAGE).text
    assert "Recordings: 2" in text
    assert "These are the newest 1" in text
    assert (old in text, new in text) == (False, True)
    found = lea.get(PAGE, params={"q": " OLD "}).text
    assert (old in found, new in found) == (True, False)
    assert "No recording has these words" in lea.get(PAGE, params={"q": "anthem"}).text


def test_without_a_title_the_name_of_the_file_counts(console: Console, enter: Enter) -> None:
    send(enter("lea"), name="国歌\u202e.v2.mp3")
    assert [each.recording.ban.title for each in bank(console).fingerprints()] == ["国歌.v2"]


def test_only_leads_change_the_bank_and_auditors_read_it(console: Console, enter: Enter) -> None:
    added = identity(send(enter("lea")))
    for name, read in (("aud", 200), ("ana", 403), ("", 401)):
        client = enter(name)
        assert client.get(PAGE, headers={"accept": "application/json"}).status_code == read
        assert {send(client).status_code, client.post(f"{PAGE}/{added}/remove").status_code} == {
            401 if not name else 403
        }
    assert "Remove" not in enter("aud").get(PAGE).text
    lea = enter("lea")
    lea.headers["x-csrf-token"] = "wrong"
    assert send(lea).status_code == 403


Refusal = tuple[bytes, dict[str, str], str]

REFUSED: dict[str, Callable[[], Refusal]] = {
    "no audio": lambda: (b"notes", {}, "cannot be read to its end as audio"),
    "empty": lambda: (b"", {}, "cannot be read to its end as audio"),
    "cut": lambda: (encode_flac(tune(1))[:-9_000], {}, "Copy the file again"),
    "silence": lambda: (encode_flac(np.zeros(9 * SAMPLE_RATE, np.float32)), {}, "cannot be told from other recordings"),
    "no reason": lambda: (SONG, {"reason": " "}, "need one line each"),
    "two lines": lambda: (SONG, {"title": "two\nlines"}, "need one line each"),
    "label": lambda: (SONG, {"label": "musik"}, "not allowed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_the_remedy_and_adds_nothing(console: Console, enter: Enter, what: str) -> None:
    data, fields, said = REFUSED[what]()
    answer = send(enter("lea"), data, **fields)
    assert (answer.status_code, bank(console).state()) == (422, ())
    assert said in answer.text


def test_refusals_are_in_the_reader_s_language(enter: Enter) -> None:
    lea = enter("lea")
    lea.headers["accept-language"] = "zh"
    assert "无法作为音频完整读取" in send(lea, b"notes").text


def test_the_same_sound_is_banned_once(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    send(lea, title="The anthem")
    again = send(lea, title="Another title")
    assert again.status_code == 422
    assert "is in the bank already, as “" in again.text
    assert "The anthem" in again.text


def test_an_upload_is_bounded_in_bytes_and_in_length(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    lea = enter("lea")
    assert send(lea, bytes(MAX_MIB << 20)).status_code == 413
    assert send(lea, bytes(1 << 20)).status_code == 422
    monkeypatch.setattr(banned_recordings_page, "MAX_MINUTES", 0.1)
    long = send(lea)
    assert long.status_code == 422
    assert "voxwarden fingerprints add" in long.text
    assert bank(console).state() == ()


@pytest.mark.parametrize("form", [{"data": {"file": "no file", "reason": "x"}}, {"data": {"reason": "x"}}, {}])
def test_without_a_file_nothing_is_banned(enter: Enter, form: dict[str, dict[str, str]]) -> None:
    assert enter("lea").post(PAGE, **form).status_code == 422  # type: ignore[arg-type]


def test_several_files_are_refused(enter: Enter) -> None:
    files = [("file", (f"{number}.ogg", SONG)) for number in range(2)]
    assert enter("lea").post(PAGE, files=files).status_code == 400


def test_no_upload_breaks_the_console(console: Console, enter: Enter) -> None:
    """Damaged files of several formats, with any texts: each is stored whole, or refused with a remedy."""
    lea = enter("lea")
    whole = [SONG, encode_flac(tune(1)), recording(tune(1), "wav", "pcm_s16le")]
    damage = st.tuples(st.integers(0, 2), st.floats(0, 1), st.binary(max_size=40), st.booleans())
    words = st.text(st.characters(codec="utf-8"), max_size=320)

    @examples(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(damage, words, words, st.text('ab./\\"\r\n;=%', max_size=20))
    def upload(damage: tuple[int, float, bytes, bool], title: str, reason: str, name: str) -> None:
        number, share, put, cut = damage
        data = whole[number]
        at = math.floor(share * len(data))
        broken = data[:at] + put + (b"" if cut else data[at + len(put) :])
        before = bank(console).state()
        answer = send(lea, broken, name or "x", title=title, reason=reason)
        assert answer.status_code in {204, 400, 422}
        after = bank(console).state()
        assert len(after) - len(before) == (answer.status_code == 204)

    upload()
    assert lea.get(PAGE).status_code == 200
    loaded(bank(console))
