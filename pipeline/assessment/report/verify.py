"""Checks a bundle or a frozen assessment: nothing was changed, and the report follows from its data."""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection

from pipeline.assessment import attachments
from pipeline.assessment.report import bundle, content, frozen_records, logged_decisions, pdf, recompute
from pipeline.assessment.report.assessments import FROZEN, Assessment
from pipeline.assessment.report.bundle import Manifest
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.data_files import LEDGER_FILE, TALLY_FILE
from pipeline.assessment.report.frozen_records import NAMED, Compared, LateTables, Reason
from pipeline.assessment.report.logged_decisions import LoggedDecisions
from pipeline.assessment.report.recompute import Recomputed
from pipeline.base import canonical_json, signing
from pipeline.base.errors import VoxwardenError
from pipeline.review import audit_log

UNSIGNED = {bundle.MANIFEST, bundle.SIGNATURE, bundle.PUBLIC_KEY}
"""Files of a bundle that the manifest does not list."""
EXPLAINED: Mapping[Reason, str] = {
    "deleted": "Retention or an erasure has deleted {n} records",
    "outside": "{n} cases that are not of the window were deleted, and some figures count older ones",
    "joined": "Speech or reports that came later joined cases of the report: {n} records",
    "reopened": "People reopened or undid cases later: {n} records",
    "confirmed": "The app confirmed {n} actions again later",
    "corrected": "People have corrected {n} entries of the register since",
}


class Checked(Struct, frozen=True):
    """One result. `skipped` means that the data or the program for the check are not here; that is no fault.

    `unverified` means that nothing shows who made the bundle, or that its line was ever in an audit log.
    """

    result: Literal["ok", "fault", "skipped", "unverified"]
    about: str
    """What was checked, with places for `values`."""
    values: dict[str, object] = {}
    denied: bool = False
    """What `about` says is not true."""

    @property
    def text(self) -> str:
        return ("Not true: " if self.denied else "") + self.about.format(**self.values)


def of_bundle(
    data: bytes, name: str, public_key: bytes | None = None, log: Connection | None = None
) -> Iterator[Checked]:
    """Check a bundle by itself. `public_key` is the PEM text that the operator published.

    Without it, the signature proves only that the files belong together, so that the fingerprint must be compared.
    With `log`, a review store, compare the bundle's line with the audit log there, too.
    """
    whole = True
    for check in of_files(data, name, public_key):
        whole = whole and check.result != "fault"
        yield check
    if whole:  # pages are not made from content that somebody may have forged
        files = bundle.unpack(data, name)
        yield from _of_content(files, bundle.read_manifest(files[bundle.MANIFEST], name), log)


def of_files(data: bytes, name: str, public_key: bytes | None = None) -> Iterator[Checked]:
    """Check only that the files of a bundle are those that were signed."""
    try:
        files = bundle.unpack(data, name)
        manifest = bundle.read_manifest(files.get(bundle.MANIFEST, b""), name)
    except VoxwardenError as error:
        yield Checked("fault", "{error}", {"error": error})
        return
    yield _same("The zip is in canonical form", True)
    yield from _signed(files, manifest, public_key)
    yield _listed(files, manifest)


def of_assessment(connection: Connection, assessment: Assessment) -> Iterator[Checked]:
    """Check the frozen report in the store: its hash, its line in the audit log, and its figures."""
    encoded = (assessment.content or "").encode()
    digest = canonical_json.digest(encoded)
    yield _same("The content has the stored SHA-256", digest == assessment.sha256)
    yield _chain(connection)
    found = audit_log.about(connection, FROZEN, assessment.id)
    if found is None:
        yield Checked("skipped", "The audit log no longer has the line about the report; the bundle has it")
    else:
        yield _same("Line {n} of the audit log has the SHA-256", digest in found[0].detail, n=found[0].seq)
    try:
        report = assessment.report()
    except VoxwardenError as error:
        yield Checked("fault", "{error}", {"error": error})
        return
    yield _same("The content is in canonical form", content.encode(report) == encoded)
    yield from _attached(report, attachments.files(connection, report.id))
    yield from _decided(logged_decisions.compare(connection, report.window.until))
    frozen = frozen_records.read(connection, report.id)
    if wrong := frozen.differing(report):
        yield Checked(
            "fault", "The basis of the report was changed: {names}. Figures not compared", {"names": ", ".join(wrong)}
        )
        return
    compared = frozen_records.compare(connection, report, frozen)
    yield from _records(compared)
    late = frozen_records.late_tables(connection, report, frozen)
    yield from _tallied(late)
    yield from _compared(recompute.from_store(connection, report, frozen, compared, late))


def _signed(files: Mapping[str, bytes], manifest: Manifest, public_key: bytes | None) -> Iterator[Checked]:
    pem = files.get(bundle.PUBLIC_KEY, b"")
    signed = signing.signed(pem, files.get(bundle.SIGNATURE, b""), files[bundle.MANIFEST])
    yield _same("The manifest is signed by the key {key}", signed, key=signing.fingerprint(pem))
    # The manifest has the fingerprint, too. Else a stranger could sign the same manifest again with their own key.
    yield _same("The manifest names that key", manifest.key == signing.fingerprint(pem))
    if public_key is None:
        yield Checked(
            "unverified", "No public key was given: anybody may have signed the bundle with a key of their own"
        )
    else:
        yield _same("That key is the given public key", public_key == pem)


def _listed(files: Mapping[str, bytes], manifest: Manifest) -> Checked:
    found = {name: canonical_json.digest(data) for name, data in files.items() if name not in UNSIGNED}
    wrong = sorted(name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name))
    if wrong:
        return Checked("fault", "Changed, missing or unlisted: {names}", {"names": ", ".join(wrong)})
    return Checked("ok", "All {n} files have the SHA-256 of the manifest", {"n": len(manifest.files)})


def _of_content(files: Mapping[str, bytes], manifest: Manifest, log: Connection | None) -> Iterator[Checked]:
    """Check that the report is the one in the audit log, and that all else follows from it."""
    encoded = files.get(bundle.CONTENT, b"")
    try:
        report = content.decode(encoded, bundle.CONTENT)
    except VoxwardenError as error:
        yield Checked("fault", "{error}", {"error": error})
        return
    yield _same("The content is in canonical form", content.encode(report) == encoded)
    digest = canonical_json.digest(encoded)
    yield _same("The content has the SHA-256 {hash}", digest == manifest.sha256, hash=digest)
    yield from _anchored(files, report, digest, log)
    inside = {name: data for name, data in files.items() if name.startswith(bundle.ATTACHED)}
    yield from _attached(report, {name.removeprefix(bundle.ATTACHED): data for name, data in inside.items()})
    yield from _rendered(files, manifest, report)
    told = {TALLY_FILE: report.tallies, LEDGER_FILE: report.ledger}
    if any(canonical_json.digest(files.get(name, b"")) != digest for name, digest in told.items()):
        yield Checked("fault", "The tallies differ from the report's: figures not compared")
        return
    yield from _compared(recompute.from_tables(report, files))


def _anchored(
    files: Mapping[str, bytes], report: AssessmentReport, digest: str, log: Connection | None
) -> Iterator[Checked]:
    try:
        found = bundle.read_anchor(files.get(bundle.AUDIT_LINE, b""))
    except VoxwardenError as error:
        yield Checked("fault", "{error}", {"error": error})
        return
    line = found.line
    right = line.action == FROZEN and line.subject == report.id and digest in line.detail
    # `before` is empty if retention had deleted the line before: then only a log can show that the line was in it.
    intact = not found.before or audit_log.intact(line, found.before)
    yield _same("Line {n} of the audit log has the SHA-256", right and intact, n=line.seq)
    if log is not None:
        yield _chain(log)
        yield _same("The audit log of this store has line {n} of the bundle", audit_log.has(log, line), n=line.seq)
    elif not found.before:
        yield Checked(
            "unverified", "Line {n} lacks the hash of the line before: check it with --audit-log", {"n": line.seq}
        )


def _attached(report: AssessmentReport, found: Mapping[str, bytes]) -> Iterator[Checked]:
    """Compare the attachments with those that the report names; without any, say nothing."""
    if wrong := attachments.differing(report, found):
        yield Checked("fault", "Attachments that are not those of the report: {names}", {"names": ", ".join(wrong)})
    elif found:
        yield Checked("ok", "{n} attachments are those of the report", {"n": len(found)})


def _chain(connection: Connection) -> Checked:
    chain = audit_log.verify_chain(connection)
    return _same("The audit log is unchanged ({n} lines)", chain.broken is None, n=chain.lines)


def _rendered(files: Mapping[str, bytes], manifest: Manifest, report: AssessmentReport) -> Iterator[Checked]:
    """Make the files of the report again and compare them."""
    here = bundle.renderer()
    if manifest.voxwarden != here:
        versions: dict[str, object] = {"made": manifest.voxwarden, "here": here}
        yield Checked("skipped", "Made by Voxwarden {made}, this is {here}: pages not compared", versions)
        return
    same_pdf = bool(manifest.pdf) and _pdf_engine() == manifest.pdf  # other versions of Pango break lines elsewhere
    with_dsa = any(name.startswith(bundle.DSA) for name in files)
    made = {**bundle.pages(report, same_pdf), **bundle.parts(report, with_dsa)}
    wrong = sorted(name for name, data in made.items() if files.get(name) != data)
    if wrong:
        yield Checked("fault", "Does not follow from the content: {names}", {"names": ", ".join(wrong)})
    else:
        yield Checked("ok", "{n} files follow from the content, byte for byte", {"n": len(made)})
    if manifest.pdf and not same_pdf:
        engines: dict[str, object] = {"made": manifest.pdf, "here": _pdf_engine()}
        yield Checked("skipped", "The PDFs were made by {made}, this is {here}: not compared", engines)


def _pdf_engine() -> str:
    try:
        return pdf.engine()
    except (VoxwardenError, ImportError, OSError):
        return "no PDF engine"


def _decided(found: LoggedDecisions) -> Iterator[Checked]:
    if found.different:
        ids: dict[str, object] = {"n": len(found.different), "names": ", ".join(found.different[:NAMED])}
        yield Checked("fault", "{n} decisions differ from the audit log: {names}", ids)
    yield Checked("ok", "{n} decisions are as the audit log tells", {"n": found.same})
    if found.unlogged:
        yield Checked("skipped", "{n} decisions are older than the audit log", {"n": found.unlogged})


def _records(found: Compared) -> Iterator[Checked]:
    """Tell how the records differ from those of the report. Only what nothing explains is a fault."""
    for kind, names in found.changed.items():
        yield Checked("fault", "Changed since the report: {kind} {names}", {"kind": kind, "names": ", ".join(names)})
    if found.missing:
        yield Checked(
            "fault", "Gone since the report, and the audit log tells no reason: {counts}", _counts(found.missing)
        )
    yield Checked("ok", "{n} records are those of the report", {"n": found.same})
    for reason, n in found.explained.items():
        yield Checked("skipped", EXPLAINED[reason], {"n": n})
    if found.later:
        yield Checked("skipped", "Came after the report, and is in no figure of it: {counts}", _counts(found.later))


def _counts(numbers: Mapping[str, int]) -> dict[str, object]:
    return {"counts": ", ".join(f"{kind} {n}" for kind, n in numbers.items())}


def _tallied(found: LateTables) -> Iterator[Checked]:
    """Tell how the tables differ from those of the report, whose figures rest on a copy."""
    if found.fewer:
        yield Checked("fault", "The tallies have less than the report's: {names}", {"names": ", ".join(found.fewer)})
    elif TALLY_FILE in found.changed:
        late: dict[str, object] = {"n": found.utterances}
        yield Checked(
            "skipped", "The tallies have {n} utterances that came after the report: no figure of it counts them", late
        )
    else:
        yield Checked("ok", "The hourly tallies are those of the report")
    if LEDGER_FILE in found.changed:
        yield Checked("skipped", "The app sent its ledger of room hours again: no figure of the report counts that")


def _compared(found: Recomputed) -> Iterator[Checked]:
    """Tell what a comparison found. A figure is no fault if its source changed after the report."""
    if found.different:
        yield Checked("fault", "Computed again, these figures differ: {names}", {"names": ", ".join(found.different)})
    yield Checked("ok", "{n} figures, computed again from their sources, are the same", {"n": found.same})
    for names, about in (
        (found.changed, "Records of these figures changed for the reasons above: {names} cannot be computed again"),
        (found.now, "These figures describe the store at the time of the report: {names}"),
    ):
        if names:
            yield Checked("skipped", about, {"names": ", ".join(names)})


def _same(about: str, holds: bool, **values: object) -> Checked:
    return Checked("ok" if holds else "fault", about, values, denied=not holds)
