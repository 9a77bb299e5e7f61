"""`verify` accepts what was made, and finds each change."""

import shutil
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import UpdateBase, delete, text, update

from pipeline.assessment.report import bundle, content, verify
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.verify import Checked
from pipeline.base import canonical_json, signing
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import ASSESSMENTS, ATTACHMENTS, FROZEN_RECORDS, TALLIES
from pipeline.review.tables.core import AUDIT, AUDIT_HEAD
from tests.builders import NOON, flag
from tests.pipeline.assessment.report import stored
from tests.pipeline.review import people

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PEM = signing.public_pem(KEY.public_key())
OF_NOW = "These figures describe the store at the time of the report"
SMALL = bundle.pack({"manifest.json": b"{}", "a.txt": b"a"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sqlite_model: Path) -> bytes:
    """A bundle without PDF."""
    folder = tmp_path_factory.mktemp("bundle")
    database = Database(f"sqlite:///{shutil.copy(sqlite_model, folder / 'store.db')}")
    try:
        people.hire(database)
        stored.fill(database)
        return built(database, stored.freeze(database, folder))
    finally:
        database.close()


def built(database: Database, assessment: Assessment) -> bytes:
    with database.read() as connection:
        return bundle.build(connection, assessment, KEY, {"c-1": b"opus"}, with_pdf=False)


def results(checks: Iterable[Checked]) -> dict[str, list[str]]:
    """Return the texts by result."""
    found: dict[str, list[str]] = {"ok": [], "fault": [], "skipped": [], "unverified": []}
    for check in checks:
        found[check.result].append(check.text)
    return found


def test_a_bundle_holds_by_itself(made: bytes) -> None:
    found = results(verify.of_bundle(made, "it", PEM))
    assert found["fault"] == found["skipped"] == found["unverified"] == []
    assert any("figures, computed again from their sources, are the same" in text for text in found["ok"])
    assert any("files follow from the content, byte for byte" in text for text in found["ok"])


def test_without_a_public_key_a_bundle_is_unverified(made: bytes) -> None:
    assert ["No public key was given" in text for text in results(verify.of_bundle(made, "it"))["unverified"]] == [True]


def test_another_key_is_a_fault(made: bytes) -> None:
    other = signing.public_pem(Ed25519PrivateKey.generate().public_key())
    assert results(verify.of_bundle(made, "it", other))["fault"] == ["Not true: That key is the given public key"]


def test_every_flipped_byte_is_a_fault(made: bytes) -> None:
    @examples(deadline=None, max_examples=150)
    @given(st.integers(0, len(made) - 1), st.integers(0, 7))
    def flip(place: int, bit: int) -> None:
        forged = bytearray(made)
        forged[place] ^= 1 << bit
        assert any(check.result == "fault" for check in verify.of_files(bytes(forged), "it", PEM))

    flip()


@pytest.mark.parametrize(
    "name", ["manifest.json", "manifest.sig", "key.pem", "report.json", "audit.json", "clips/c-1.ogg"]
)
def test_a_missing_file_is_a_fault(made: bytes, name: str) -> None:
    files = bundle.unpack(made, "it")
    del files[name]
    assert results(verify.of_bundle(bundle.pack(files), "it", PEM))["fault"]


def resealed(made: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """Return the bundle after a change, with a new manifest and a signature by the right key."""
    files = bundle.unpack(made, "it")
    change(files)
    manifest = bundle.read_manifest(files["manifest.json"], "it")
    listed = {name: canonical_json.digest(data) for name, data in files.items() if name not in verify.UNSIGNED}
    digest = canonical_json.digest(files["report.json"])
    files["manifest.json"] = canonical_json.canonical_bytes(
        msgspec.structs.replace(manifest, files=listed, sha256=digest)
    )
    files["manifest.sig"] = KEY.sign(files["manifest.json"])
    return bundle.pack(files)


def swap(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (swap("report.zh.html", b"Harbour", b"Harbor"), "Does not follow from the content: report.zh.html"),
        (swap("figures.csv", b"I-02", b"I-99"), "Does not follow from the content: figures.csv"),
        (swap("report.json", b"Harbour", b"Harbor"), "SHA-256"),
        (swap("audit.json", b"lea", b"leo"), "audit log"),
    ],
)
def test_the_operator_cannot_change_a_file_and_sign_again(
    made: bytes, change: Callable[[dict[str, bytes]], None], fault: str
) -> None:
    found = results(verify.of_bundle(resealed(made, change), "it", PEM))["fault"]
    assert any(fault in text for text in found)


CHART = f"attachments/{stored.CHART}"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (swap(CHART, b"1.7", b"2.0"), stored.CHART),
        (lambda files: files.pop(CHART), stored.CHART),
        (lambda files: files.update({"attachments/other.png": b"x"}), "other.png"),
    ],
)
def test_the_operator_cannot_change_attachments_and_sign_again(
    made: bytes, change: Callable[[dict[str, bytes]], None], name: str
) -> None:
    found = results(verify.of_bundle(resealed(made, change), "it", PEM))["fault"]
    assert found == [f"Attachments that are not those of the report: {name}"]


@pytest.mark.parametrize(
    "change",
    [
        delete(ATTACHMENTS),
        update(ATTACHMENTS).values(content=b"%PDF-2.0", sha256=canonical_json.digest(b"%PDF-2.0")),
        update(ATTACHMENTS).values(name="other.pdf"),
    ],
)
def test_changed_attachments_of_the_store_are_a_fault(
    frozen: Assessment, database: Database, change: UpdateBase
) -> None:
    assert "1 attachments are those of the report" in of_store(database, frozen.id)["ok"]
    with database.write() as connection:
        connection.execute(change)
    [fault] = of_store(database, frozen.id)["fault"]
    assert fault.startswith("Attachments that are not those of the report: ")
    assert stored.CHART in fault


def test_changed_tallies_are_a_fault(made: bytes) -> None:
    forged = resealed(made, swap("tallies.csv", b"monitored", b"segmented"))
    found = results(verify.of_bundle(forged, "it", PEM))
    assert any("tallies differ from the report" in text for text in found["fault"])


def test_a_bundle_has_the_tallies_of_the_report(frozen: Assessment, database: Database) -> None:
    before = built(database, frozen)
    with database.write() as connection:
        connection.execute(delete(TALLIES))
    assert built(database, frozen) == before


def test_other_versions_do_not_compare_pages(made: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "renderer", lambda: "9.9+other")
    found = results(verify.of_bundle(made, "it", PEM))
    assert found["fault"] == []
    assert any("pages not compared" in text for text in found["skipped"])


def test_what_is_no_bundle_is_a_fault() -> None:
    for data in (b"", b"no zip", SMALL):
        assert results(verify.of_bundle(data, "it"))["fault"]


def of_store(database: Database, identity: str) -> dict[str, list[str]]:
    with database.read() as connection:
        return results(verify.of_assessment(connection, stored.found(database, identity)))


def test_a_frozen_report_holds(frozen: Assessment, database: Database) -> None:
    found = of_store(database, frozen.id)
    assert (found["fault"], len(found["ok"])) == ([], 9)
    assert [text.partition(":")[0] for text in found["skipped"]] == [OF_NOW]


def test_a_changed_report_is_a_fault(frozen: Assessment, database: Database) -> None:
    unguard(database, "assessments", "assessments_no_update")
    with database.write() as connection:
        changed = (frozen.content or "").replace("Harbour", "Harbor")
        values = {"content": changed, "sha256": canonical_json.digest(changed.encode())}
        connection.execute(update(ASSESSMENTS).values(values))
    assert any("audit log has the SHA-256" in fault for fault in of_store(database, frozen.id)["fault"])


def test_changed_tallies_of_the_store_are_a_fault(frozen: Assessment, database: Database) -> None:
    with database.write() as connection:
        connection.execute(delete(TALLIES))
    assert any("tallies have less" in text for text in of_store(database, frozen.id)["fault"])


@pytest.mark.parametrize("name", ["cases", "tallies.csv"])
def test_changed_frozen_records_are_a_fault(frozen: Assessment, database: Database, name: str) -> None:
    with database.write() as connection:
        mine = FROZEN_RECORDS.c.name == name
        connection.execute(update(FROZEN_RECORDS).where(mine).values(content=zlib.compress(b"x" * 24)))
    told = f"The basis of the report was changed: {name}. Figures not compared"
    assert told in of_store(database, frozen.id)["fault"]


def forged(made: bytes, before: str | None) -> bytes:
    """Return a bundle with another report and a line about it, which keeps the place and the hash of the real line.

    `before` replaces the hash of the line before. None: choose one, and the hash of the line that follows from it.
    """

    def change(files: dict[str, bytes]) -> None:
        real = bundle.read_anchor(files["audit.json"])
        files["report.json"] = files["report.json"].replace(b"Harbour", b"Harbor")
        report = content.decode(files["report.json"], "it")
        files.update(bundle.parts(report) | bundle.pages(report, with_pdf=False))
        told = (real.line.at, real.line.actor, real.line.action, real.line.subject)
        digest = canonical_json.digest(files["report.json"])
        line = audit_log.following(real.line.seq - 1, "0" * 64, *told, {"sha256": digest})
        if before is not None:
            line = msgspec.structs.replace(line, hash=real.line.hash, before=None)
        files["audit.json"] = canonical_json.canonical_bytes(
            bundle.Anchor(line, "0" * 64 if before is None else before)
        )

    return resealed(made, change)


def against_log(database: Database, made: bytes) -> dict[str, list[str]]:
    with database.read() as connection:
        return results(verify.of_bundle(made, "it", PEM, connection))


def test_the_store_has_the_line_of_the_bundle(database: Database, frozen: Assessment) -> None:
    found = against_log(database, built(database, frozen))
    assert (found["fault"], found["unverified"]) == ([], [])
    assert any("The audit log of this store has line" in text for text in found["ok"])


@pytest.mark.parametrize("before", ["", None])
def test_the_holder_of_the_key_cannot_forge_a_report(
    database: Database, frozen: Assessment, before: str | None
) -> None:
    found = against_log(database, forged(built(database, frozen), before))
    assert ["store has line" in text for text in found["fault"]] == [True]


def test_a_line_without_the_hash_before_is_unverified_without_a_log(made: bytes) -> None:
    assert "lacks the hash" in results(verify.of_bundle(forged(made, ""), "it", PEM))["unverified"][0]


def test_a_changed_audit_log_of_the_store_is_a_fault(database: Database, frozen: Assessment) -> None:
    bundled = built(database, frozen)
    unguard(database, "audit_head", "audit_head_no_step_back")
    with database.write() as connection:
        connection.execute(update(AUDIT_HEAD).values(hash="0" * 64))
    assert any("audit log is unchanged" in text for text in against_log(database, bundled)["fault"])


def unguard(database: Database, table: str, trigger: str) -> None:
    """Remove the guards of a table, as the owner of the database can. `trigger` is SQLite's."""
    postgres = f"ALTER TABLE {table} DISABLE TRIGGER ALL"
    with database.write() as connection:
        connection.execute(text(postgres if connection.dialect.name == "postgresql" else f"DROP TRIGGER {trigger}"))


def test_a_missing_audit_line_is_skipped(frozen: Assessment, database: Database) -> None:
    unguard(database, "audit", "audit_no_delete")
    with database.write() as connection:
        connection.execute(delete(AUDIT))
    assert any("no longer has the line" in line for line in of_store(database, frozen.id)["skipped"])


def test_a_later_change_of_policy_changes_nothing(frozen: Assessment, database: Database) -> None:
    later = stored.NOW - NOON + 100
    SqlReviewStore(database).add([flag("new", later, later + 2, policy="strict@2", model="other")], stored.NOW + 200)
    found = of_store(database, frozen.id)
    assert (found["fault"], len(found["skipped"])) == ([], 1)
    assert built(database, frozen) == built(database, frozen)
    assert results(verify.of_bundle(built(database, frozen), "it", PEM))["fault"] == []
