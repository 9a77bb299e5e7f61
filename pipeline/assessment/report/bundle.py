"""The evidence bundle for an inspector: one zip with the report, its data, their hashes and a signature.

The same report, clips and key always give the same bytes.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from sqlalchemy import Connection, select

from pipeline.assessment import attachments
from pipeline.assessment.report import content, data_files, dsa, frozen_records, html, pdf
from pipeline.assessment.report.assessments import FROZEN, Assessment
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.wording import LANGUAGES
from pipeline.base import canonical_json, signing
from pipeline.base.errors import InputError, Missing
from pipeline.base.json_reading import read_json
from pipeline.review import audit_log
from pipeline.review.audit_log import AuditLine
from pipeline.review.evidence.evidence_store import EvidenceStore, checksum
from pipeline.review.tables.core import EVIDENCE
from pipeline.settings import Settings

DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the zip: the earliest that the format knows."""
MODE = 0o100644 << 16
"""A plain file that its owner can write and everybody read. The format has Unix modes in the upper 16 bits."""
UNIX = 3


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a zip with these files, in the order of their names."""
    written = io.BytesIO()
    # Not compressed: another version of zlib would make other bytes.
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = UNIX, MODE  # Python would write the system that it runs on
            archive.writestr(entry, files[name])
    return written.getvalue()


def unpack(data: bytes, name: str) -> dict[str, bytes]:
    """Return the files of a zip. Raises InputError, which names `name`, for a zip that `pack` did not write."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            # Before any file is read: a few compressed bytes, or bytes that many entries share, could fill the memory.
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            small = sum(entry.file_size for entry in entries) <= len(data)
            files = {entry.filename: archive.read(entry) for entry in entries if stored and small}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{name} is damaged: {error}",
            "Get the bundle again from its sender.",
            text="bundle_damaged",
            name=name,
            why=error,
        ) from error
    # A zip may hide bytes between its files, or a file twice. Only the canonical form is the one that was signed.
    if pack(files) != data:
        raise InputError(
            f"{name} was changed: its zip is not in canonical form",
            "Get it again from its sender.",
            text="bundle_changed",
            name=name,
        )
    return files


MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "manifest.sig", "key.pem"
CONTENT, AUDIT_LINE = "report.json", "audit.json"
DSA, ATTACHED = "dsa/", "attachments/"
"""The folders of the tables under the Digital Services Act, and of the attachments."""


def key_file(settings: Settings) -> Path:
    """Return the file of the private key that signs bundles."""
    return settings.assessment.key or settings.data_dir / "assessment.key"


class Anchor(Struct, frozen=True):
    """The line of the audit log with the hash of the report, and the hash of the line before it."""

    line: AuditLine
    before: str


class Manifest(Struct, frozen=True, kw_only=True):
    """The list of the files of a bundle, which the signature covers."""

    format: int = content.FORMAT
    assessment: str
    sha256: str
    """Hash of the content of the report, as in the audit log."""
    voxwarden: str
    """The version that made the bundle. Pages are compared only with the same one."""
    pdf: str
    """What made the PDFs. Empty: there are none."""
    key: str
    """Fingerprint of the public key."""
    files: dict[str, str]
    """SHA-256 by name."""


def build(
    connection: Connection,
    assessment: Assessment,
    key: Ed25519PrivateKey,
    clips: Mapping[str, bytes] | None = None,
    with_pdf: bool = True,
    with_dsa: bool = False,
) -> bytes:
    """Return the bundle of a final report. `clips` are audio files by case id.

    Raises InputError for a draft, for changed attachments, or if the audit log has no line about the report.
    """
    report = assessment.report()
    files = {
        **pages(report, with_pdf),
        **parts(report, with_dsa),
        **_attachments(connection, report),
        **frozen_records.read(connection, report.id).tables(),  # late messages change those in the store
        AUDIT_LINE: canonical_json.canonical_bytes(anchor(connection, report.id)),
        **{f"clips/{case}.ogg": clip for case, clip in (clips or {}).items()},
    }
    pem = signing.public_pem(key.public_key())
    manifest = canonical_json.canonical_bytes(
        Manifest(
            assessment=report.id,
            sha256=canonical_json.digest(files[CONTENT]),
            voxwarden=renderer(),
            pdf=pdf.engine() if with_pdf else "",
            key=signing.fingerprint(pem),
            files={name: canonical_json.digest(data) for name, data in files.items()},
        )
    )
    return pack({**files, MANIFEST: manifest, SIGNATURE: key.sign(manifest), PUBLIC_KEY: pem})


def pages(report: AssessmentReport, with_pdf: bool = True) -> dict[str, bytes]:
    """Return the report in both languages, as HTML and PDF."""
    shown = {language: html.render(report, language) for language in LANGUAGES}
    made = {f"report.{language}.html": page.encode() for language, page in shown.items()}
    return made | ({f"report.{each}.pdf": pdf.render(page) for each, page in shown.items()} if with_pdf else {})


def parts(report: AssessmentReport, with_dsa: bool = False) -> dict[str, bytes]:
    """Return the content, its lists as files of their own, figures, the public page, and DSA tables if asked for."""
    lists = {name: getattr(report, name) for name in ("answers", "triggers", "hazards", "drills")}
    return {
        CONTENT: content.encode(report),
        "figures.json": data_files.figures_json(report),
        "figures.csv": data_files.figures_csv(report),
        "queries.sql": data_files.queries_sql(report),
        **{f"{name}.json": canonical_json.canonical_bytes(values) for name, values in lists.items()},
        **{f"rules/{file.name}": file.text.encode() for file in report.files},
        **{f"transparency.{each}.html": html.transparency_page(report, each).encode() for each in LANGUAGES},
        **({f"{DSA}{name}": table for name, table in dsa.tables(report).items()} if with_dsa else {}),
    }


def _attachments(connection: Connection, report: AssessmentReport) -> dict[str, bytes]:
    found = attachments.files(connection, report.id)
    if wrong := attachments.differing(report, found):  # a bundle must not lend its signature to changed files
        raise InputError(
            f"Attachments of report {report.id} were changed: {', '.join(wrong)}",
            "Run `voxwarden assess verify`.",
            text="attachments_differ",
            id=report.id,
            names=", ".join(wrong),
        )
    return {f"{ATTACHED}{name}": content for name, content in found.items()}


def renderer() -> str:
    """Return the version of Voxwarden with the hash of its templates and texts, on which the pages depend."""
    return html.version()


def anchor(connection: Connection, identity: str) -> Anchor:
    """Return the line of the audit log about a final report. Raises InputError if the log no longer has it."""
    found = audit_log.about(connection, FROZEN, identity)
    if found is None:
        raise InputError(
            f"The audit log has no line about report {identity}",
            "Run `voxwarden audit verify`.",
            text="no_audit_line",
            id=identity,
        )
    return Anchor(*found)


def clips_of(connection: Connection, store: EvidenceStore, cases: Sequence[str]) -> dict[str, bytes]:
    """Return the clips of these cases. Raises Missing for a case without a clip, InputError for a changed clip."""
    found: dict[str, bytes] = {}
    for case in cases:
        row = connection.execute(select(EVIDENCE.c.path, EVIDENCE.c.sha256).where(EVIDENCE.c.case_id == case)).first()
        clip = store.get(row.path) if row else None
        if row is None or clip is None:
            raise Missing(
                f"Case {case} has no clip", "`voxwarden cases show` tells whether it was deleted.", text="no_clip"
            )
        if checksum(clip) != row.sha256:  # a bundle must not lend its signature to changed evidence
            raise InputError(
                f"The clip of case {case} was changed",
                "Its SHA-256 differs from the stored one.",
                text="clip_changed",
                case=case,
            )
        found[case] = clip
    return found


def read_anchor(data: bytes) -> Anchor:
    """Read the audit line of a bundle. Raises InputError for other content."""
    try:
        return read_json(data, Anchor)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{AUDIT_LINE} cannot be read: {error}",
            "Get the bundle again.",
            text="bundle_damaged",
            name=AUDIT_LINE,
            why=error,
        ) from error


def read_manifest(data: bytes, name: str) -> Manifest:
    """Read a manifest. Raises InputError, which names `name`, for other content."""
    try:
        return read_json(data, Manifest)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{name} has no readable manifest: {error}",
            "Get the bundle again.",
            text="bundle_damaged",
            name=name,
            why=error,
        ) from error
