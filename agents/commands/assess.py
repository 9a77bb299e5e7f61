"""`voxwarden assess`: the security assessment, from its opening to the signed bundle and its check."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.app import Exit, app, settings_of
from agents.commands.assess_words import Language, choose, language, said, say, show
from agents.commands.cases import moment
from agents.commands.store_access import actor, database_of
from pipeline.base.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.assessment.report.content import AssessmentReport
    from pipeline.assessment.report.verify import Checked
    from pipeline.settings import Settings

assess = typer.Typer(
    no_args_is_help=True,
    help="Carry out the security assessment: figures, forms, report, evidence bundle.",
    rich_markup_mode="rich",
)
app.add_typer(assess, name="assess")

Identity = Annotated[str | None, typer.Argument(help="Id of the assessment. Default: the newest one.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="The key. Default: the setting assessment.key, or else assessment.key in data_dir."),
]


@assess.callback()
def speak(
    lang: Annotated[
        Language | None, typer.Option("--lang", help="Language of the output. Default: that of LC_ALL or LANG, or en.")
    ] = None,
) -> None:
    """Set the language of what the commands print. Help and errors are in English."""
    choose(lang)


@assess.command("open")
def open_assessment(
    ctx: typer.Context,
    title: Annotated[str, typer.Argument(help="Name of the service, for the cover of the report.")],
    since: Annotated[
        str | None,
        typer.Option(help="Begin of the window: an age such as 90d, or a UTC time such as 2026-01-31T08:00."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="End of the window. Default: the end of the last full hour.")
    ] = None,
) -> None:
    """Open an assessment and print its id. Its window is the last 90 days, unless you give another one.

    Examples:
      voxwarden assess open "Harbour voice rooms"
      voxwarden assess open "Harbour voice rooms" --since 2026-07-01 --until 2026-10-01
    """
    from pipeline.assessment.report import assessments
    from pipeline.review.quality.figure import Window

    now = time.time()
    usual = assessments.default_window(now)
    window = Window(
        usual.since if since is None else moment(since, now),
        usual.until if until is None else moment(until, now, "--until"),
    )
    with database_of(ctx) as database, database.write() as connection:
        made = assessments.open_one(connection, title, window, actor(), now)
    show(made.id)


@assess.command("list")
def list_assessments(ctx: typer.Context) -> None:
    """List all assessments, newest first.

    Example:
      voxwarden assess list
    """
    from pipeline.assessment.report import assessments
    from pipeline.assessment.report.wording import day

    with database_of(ctx) as database, database.read() as connection:
        for each in assessments.all_of(connection):
            window = said("{since} to {until}", since=day(each.since), until=day(each.until))
            show(f"{each.id}  {said(each.state):5}  {window}  {each.title}")


@assess.command()
def status(ctx: typer.Context, identity: Identity = None) -> None:
    """Show what a report still lacks: empty fields, values that are not measured, limits not kept, open hazards.

    Example:
      voxwarden assess status
    """
    report = _report(ctx, identity)
    from pipeline.assessment.report.gather import lines

    for line in lines(report, language()):
        show(line)


@assess.command()
def report(
    ctx: typer.Context,
    identity: Identity = None,
    final: Annotated[bool, typer.Option("--final", help="Freeze the report. You cannot change it afterwards.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the files. Default: assessment-ID.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Also write PDF files.")] = True,
) -> None:
    """Write the report in Chinese and English, its figures as JSON and CSV, DSA tables, and a public page.

    Without --final the report is a draft with the figures of this moment. With --final all required fields must be
    filled in. The report is then frozen, and its SHA-256 goes into the audit log.

    Examples:
      voxwarden assess report --out draft
      voxwarden assess report 2026-1 --final
    """
    _require_extra()
    from pipeline.assessment.report import bundle

    made = _frozen(ctx, identity) if final else _report(ctx, identity)
    folder = out or Path(f"assessment-{made.id}")
    _write(folder, {**bundle.pages(made, pdf), **bundle.parts(made)})
    kind = said("final report") if made.final else said("draft")
    say("Wrote the {kind} of assessment {id} to {folder}.", kind=kind, id=made.id, folder=folder)


@assess.command()
def key(ctx: typer.Context, path: KeyFile = None) -> None:
    """Make the key that signs bundles, and print its fingerprint.

    Publish the fingerprint and the .pub file beside the key. Keep a copy of the key in a safe place.

    Example:
      voxwarden assess key
    """
    _require_extra()
    from pipeline.base import signing

    made = _key(settings_of(ctx), path)
    show(f"{signing.make_key(made)}  {made}")


@assess.command("bundle")
def write_bundle(
    ctx: typer.Context,
    identity: Identity = None,
    out: Annotated[Path | None, typer.Option(help="The zip file. Default: assessment-ID.zip.")] = None,
    clips: Annotated[list[str] | None, typer.Option(help="Id of a case whose clip to add. Repeat it for more.")] = None,
    path: KeyFile = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Also put PDF files in.")] = True,
) -> None:
    """Write the evidence bundle of a final report: a signed zip for an inspector.

    It has the report, its data with hashes, the tallies of the window, the rules in force and the line of the audit
    log. It has audio only of the cases that you name. The audit log records it.

    Examples:
      voxwarden assess bundle 2026-1
      voxwarden assess bundle 2026-1 --clips CASE --clips CASE
    """
    _require_extra()
    from pipeline.assessment.report import assessments, bundle
    from pipeline.base import signing
    from pipeline.review import audit_log
    from pipeline.review.evidence.evidence_store import open_evidence

    settings = settings_of(ctx)
    signer = signing.load_key(_key(settings, path))
    with database_of(ctx) as database:
        with database.read() as connection:
            found = assessments.find(connection, identity)
            audio = bundle.clips_of(connection, open_evidence(settings), clips or [])
            data = bundle.build(connection, found, signer, audio, pdf)
        with database.write() as connection:
            audit_log.append(connection, time.time(), actor(), "assessment.bundle", found.id, {"clips": sorted(audio)})
    file = out or Path(f"assessment-{found.id}.zip")
    _write(file.parent, {file.name: data})
    say("Wrote {file}.", file=file)


@assess.command()
def verify(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(help="A bundle (zip file), or the id of a final assessment.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The public key (PEM) that the operator published.")
    ] = None,
    audit_log: Annotated[
        bool, typer.Option("--audit-log", help="Also look for the bundle's line in the audit log of this store.")
    ] = False,
) -> None:
    """Check that a bundle or a final report is unchanged and follows from its data.

    A bundle needs no review store. Each line tells one result. The exit code is 1 if there is a fault.

    Examples:
      voxwarden assess verify assessment-2026-1.zip --public-key operator.pub
      voxwarden assess verify 2026-1
    """
    _require_extra()
    from pipeline.assessment.report import assessments
    from pipeline.assessment.report import verify as checking
    from pipeline.base import signing

    file = Path(target)
    if file.is_dir():
        raise InputError(f"{target} is a folder", "Name the zip file that `voxwarden assess bundle` wrote.")
    if file.is_file():
        given = signing.read_public(public_key) if public_key else None
        faults = _show(checking.of_bundle(_read(file), target, given))
        if audit_log:
            with database_of(ctx) as database, database.read() as connection:
                faults += _show([checking.of_anchor(connection, _read(file))])
    else:
        with database_of(ctx) as database, database.read() as connection:
            faults = _show(checking.of_assessment(connection, assessments.find(connection, target)))
    if faults:
        raise typer.Exit(Exit.FLAGGED)


def _require_extra() -> None:
    """Raise ConfigError if the libraries that write and sign reports are not installed."""
    for name in ("cryptography", "jinja2"):
        if find_spec(name) is None:
            raise ConfigError(f"{name} is not installed", "Install it: pip install 'voxwarden[report]'.")


def _show(checks: "Iterable[Checked]") -> int:
    """Print the results, and return the number of faults."""
    faults = 0
    for check in checks:
        denied = said("Not true:") + " " if check.denied else ""
        show(f"{said(check.result):7}  {denied}{said(check.about, **check.values)}")
        faults += check.result == "fault"
    return faults


def _report(ctx: typer.Context, identity: str | None) -> "AssessmentReport":
    from pipeline.assessment.report import assessments, gather

    with database_of(ctx) as database, database.read() as connection:
        return gather.gather(connection, assessments.find(connection, identity), settings_of(ctx))


def _frozen(ctx: typer.Context, identity: str | None) -> "AssessmentReport":
    """Measure, freeze and return the report."""
    from pipeline.assessment.report import assessments, gather

    with database_of(ctx) as database:
        with database.read() as connection:
            found = assessments.find(connection, identity)
            assessments.check_open(found)
            made = gather.finish(gather.draft(connection, found, settings_of(ctx)), actor(), time.time())
        with database.write() as connection:
            show(f"SHA-256 {assessments.freeze(connection, made)}")
    return made


def _key(settings: "Settings", path: Path | None) -> Path:
    from pipeline.assessment.report import bundle

    return path or bundle.key_file(settings)


def _write(folder: Path, files: "Mapping[str, bytes]") -> None:
    try:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", "Name another place with --out.") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "Check the path.") from error
