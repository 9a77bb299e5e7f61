"""The hash of an uploaded file."""

from hashlib import sha256

import httpx
import pytest

from pipeline.console.assessment.proof_upload import MAX_MIB, MAX_NAME
from tests.pipeline.console.conftest import Console, Enter

SCAN = b"a written notice\x00" * 100_000


def send(client: httpx.Client, data: bytes, name: str = "notice.pdf") -> httpx.Response:
    return client.post("/assessment/proofs", files={"file": (name, data, "application/pdf")})


def test_the_fields_of_the_proof_are_filled_in(enter: Enter) -> None:
    answer = send(enter("lea"), SCAN, "公函 <1>.pdf")
    assert answer.status_code == 200
    assert 'value="公函 &lt;1&gt;.pdf"' in answer.text
    assert f'value="{sha256(SCAN).hexdigest()}"' in answer.text


def test_a_long_name_keeps_its_end(enter: Enter) -> None:
    page = send(enter("lea"), SCAN, "x" * 300 + "\u202e.pdf").text
    assert f'value="{"x" * (MAX_NAME - 4)}.pdf"' in page


@pytest.mark.parametrize("data", [{"files": {"file": ("empty.pdf", b"")}}, {"data": {"file": "no file"}}, {}])
def test_without_content_there_is_no_hash(enter: Enter, data: dict[str, dict[str, str]]) -> None:
    assert enter("lea").post("/assessment/proofs", **data).status_code == 422  # type: ignore[arg-type]


def test_several_files_are_refused(enter: Enter) -> None:
    files = [("file", (f"{number}.pdf", SCAN)) for number in range(2)]
    assert enter("lea").post("/assessment/proofs", files=files).status_code == 400


def test_an_upload_is_bounded(enter: Enter) -> None:
    assert send(enter("lea"), bytes(1 << 20)).status_code == 200
    assert send(enter("lea"), bytes(MAX_MIB << 20)).status_code == 413
    form = {"about": "I-12", "title": "x" * (1 << 20)}
    assert enter("lea").post("/assessment/hazards", data=form).status_code == 413  # the others stay small


def test_only_people_who_may_use_it_can_upload(console: Console, enter: Enter) -> None:
    for name, status in (("aud", 403), ("ana", 403), ("", 401)):
        assert send(enter(name), SCAN).status_code == status
    lea = enter("lea")
    lea.headers["x-csrf-token"] = "wrong"
    assert send(lea, SCAN).status_code == 403
