"""Checks a bundle or a frozen assessment: nothing was changed, and the report follows from its data."""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection

from pipeline.assessment.report import bundle, canonical, content, keys, packing, pdf, recompute, tallies
from pipeline.assessment.report.assessments import FROZEN, Assessment
from pipeline.assessment.report.bundle import Anchor, Manifest
from pipeline.assessment.report.content import AssessmentReport
from pipeline.errors import VoxwardenError
from pipeline.review import audit

UNSIGNED = {bundle.MANIFEST, bundle.SIGNATURE, bundle.PUBLIC_KEY}
"""Files of a bundle that the manifest does not list."""


class Checked(Struct, frozen=True):
    """One result. `skipped` means that the data or the program for the check are not here; that is no fault."""

    result: Literal["ok", "fault", "skipped"]
    text: str


def of_bundle(data: bytes, name: str, public_key: bytes | None = None) -> Iterator[Checked]:
    """Check a bundle by itself. `public_key` is the PEM text that the operator published.

    Without it, the signature proves only that the files belong together, so that the fingerprint must be compared.
    """
    whole = True
    for check in of_files(data, name, public_key):
        whole = whole and check.result != "fault"
        yield check
    if whole:
        files = packing.unpack(data, name)
        yield from _of_content(files, bundle.read_manifest(files[bundle.MANIFEST], name))


def of_files(data: bytes, name: str, public_key: bytes | None = None) -> Iterator[Checked]:
    """Check only that the files of a bundle are those that were signed."""
    try:
        files = packing.unpack(data, name)
        manifest = bundle.read_manifest(files.get(bundle.MANIFEST, b""), name)
    except VoxwardenError as error:
        yield Checked("fault", error.what)
        return
    yield _same("The zip is in canonical form", True)
    yield from _signed(files, manifest, public_key)
    yield _listed(files, manifest)


def of_assessment(connection: Connection, assessment: Assessment) -> Iterator[Checked]:
    """Check the frozen report in the store: its hash, its line in the audit log, and its figures."""
    encoded = (assessment.content or "").encode()
    digest = canonical.digest(encoded)
    yield _same("The content has the stored SHA-256", digest == assessment.sha256)
    chain = audit.verify(connection)
    yield _same(f"The audit log is unchanged ({chain.lines} lines)", chain.broken is None)
    found = audit.about(connection, FROZEN, assessment.id)
    if found is None:
        yield Checked("skipped", "The audit log no longer has the line about the report; the bundle has it")
    else:
        yield _same(f"Line {found[0].seq} of the audit log has the SHA-256", digest in found[0].detail)
    try:
        report = assessment.report()
    except VoxwardenError as error:
        yield Checked("fault", error.what)
        return
    yield _same("The content is in canonical form", content.encode(report) == encoded)
    if tallies.digest(connection, report.data_window) != report.tallies:
        yield Checked("fault", "The hourly tallies of the window are not those of the report: figures not compared")
        return
    yield _compared(*recompute.from_store(connection, report))


def of_anchor(connection: Connection, data: bytes) -> Checked:
    """Check that the audit log of the store has the line of a bundle."""
    try:
        line = anchor_of(packing.unpack(data, "The bundle")).line
    except VoxwardenError as error:
        return Checked("fault", error.what)
    return _same(f"The audit log of this store has line {line.seq} of the bundle", audit.holds(connection, line.hash))


def anchor_of(files: Mapping[str, bytes]) -> Anchor:
    """Return the audit line of a bundle. Raises InputError."""
    return bundle.read_anchor(files.get(bundle.AUDIT_LINE, b""))


def _signed(files: Mapping[str, bytes], manifest: Manifest, public_key: bytes | None) -> Iterator[Checked]:
    pem = files.get(bundle.PUBLIC_KEY, b"")
    signed = keys.signed(pem, files.get(bundle.SIGNATURE, b""), files[bundle.MANIFEST])
    yield _same(f"The manifest is signed by the key {keys.fingerprint(pem)}", signed)
    yield _same("The manifest names that key", manifest.key == keys.fingerprint(pem))
    if public_key is None:
        yield Checked("skipped", "No public key was given: compare the fingerprint with the one that the operator gave")
    else:
        yield _same("That key is the given public key", public_key == pem)


def _listed(files: Mapping[str, bytes], manifest: Manifest) -> Checked:
    found = {name: canonical.digest(data) for name, data in files.items() if name not in UNSIGNED}
    wrong = sorted(name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name))
    text = f"All {len(manifest.files)} files have the SHA-256 of the manifest"
    return Checked("fault", f"Changed, missing or unlisted: {', '.join(wrong)}") if wrong else Checked("ok", text)


def _of_content(files: Mapping[str, bytes], manifest: Manifest) -> Iterator[Checked]:
    """Check that the report is the one in the audit log, and that all else follows from it."""
    encoded = files.get(bundle.CONTENT, b"")
    try:
        report = content.decode(encoded, bundle.CONTENT)
    except VoxwardenError as error:
        yield Checked("fault", error.what)
        return
    yield _same("The content is in canonical form", content.encode(report) == encoded)
    digest = canonical.digest(encoded)
    yield _same(f"The content has the SHA-256 {digest}", digest == manifest.sha256)
    yield _anchored(files, report, digest)
    yield from _rendered(files, manifest, report)
    if bundle.TALLIES not in files:
        yield Checked(
            "skipped", "The bundle was made after the tallies had changed, and has none: figures not compared"
        )
        return
    if canonical.digest(files[bundle.TALLIES]) != report.tallies:
        yield Checked("fault", "The tallies are not those of the report: figures not compared")
        return
    yield _compared(*recompute.from_tables(report, files[bundle.TALLIES], files.get(bundle.LEDGER, b"")))


def _anchored(files: Mapping[str, bytes], report: AssessmentReport, digest: str) -> Checked:
    try:
        found = anchor_of(files)
    except VoxwardenError as error:
        return Checked("fault", error.what)
    line = found.line
    right = line.action == FROZEN and line.subject == report.id and digest in line.detail
    intact = not found.before or audit.intact(line, found.before)
    return _same(f"Line {line.seq} of the audit log has the SHA-256", right and intact)


def _rendered(files: Mapping[str, bytes], manifest: Manifest, report: AssessmentReport) -> Iterator[Checked]:
    """Make the files of the report again and compare them."""
    here = bundle.renderer()
    if manifest.voxwarden != here:
        yield Checked("skipped", f"Made by Voxwarden {manifest.voxwarden}, this is {here}: pages not compared")
        return
    same_pdf = bool(manifest.pdf) and _pdf_engine() == manifest.pdf
    made = {**bundle.pages(report, same_pdf), **bundle.parts(report)}
    wrong = sorted(name for name, data in made.items() if files.get(name) != data)
    yield (
        Checked("fault", f"Does not follow from the content: {', '.join(wrong)}")
        if wrong
        else Checked("ok", f"{len(made)} files follow from the content, byte for byte")
    )
    if manifest.pdf and not same_pdf:
        yield Checked("skipped", f"The PDFs were made by {manifest.pdf}, this is {_pdf_engine()}: not compared")


def _pdf_engine() -> str:
    try:
        return pdf.engine()
    except (VoxwardenError, ImportError, OSError):
        return "no PDF engine"


def _compared(count: int, different: list[str]) -> Checked:
    if different:
        return Checked("fault", f"Computed again, these figures differ: {', '.join(different)}")
    return Checked("ok", f"{count} figures, computed again from the tallies, are the same")


def _same(text: str, holds: bool) -> Checked:
    return Checked("ok" if holds else "fault", text if holds else f"Not true: {text}")
