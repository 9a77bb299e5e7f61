"""`voxwarden assess`: the report of the security assessment, its signed bundle, and their check."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from agents.commands.app import EXPLAIN, Exit, add_group, settings_of
from agents.commands.store import actor, database_of
from agents.commands.terminal import stderr, stdout
from pipeline.base import private_files, yaml_reading
from pipeline.base.errors import ConfigError, InputError, VoxwardenError
from pipeline.base.libraries import install_extra

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.assessment.report.content import AssessmentReport
    from pipeline.assessment.report.verify import Checked
    from pipeline.settings import Settings

Language = Literal["zh", "en"]
CHOSEN: ContextVar[Language] = ContextVar("language", default="en")
# The environment's language. The first one that is set wins, as in other programs.
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")

By = Annotated[
    str | None, typer.Option("--by", help="Your name, for the record. Default: the user of the operating system.")
]


def choose(chosen: Language | None) -> None:
    """Set the language of all lines of this run. None: the language of the environment."""
    CHOSEN.set(chosen or of_environment(os.environ))
    if language() == "zh":
        chinese_errors()  # here, a mistake in a catalogue of the user is still an error with one line
    EXPLAIN.set(explained)


def of_environment(variables: Mapping[str, str]) -> Language:
    """Return zh if the environment is Chinese, else en."""
    named = next((variables[name] for name in VARIABLES if variables.get(name)), "")
    return "zh" if named.lower().startswith("zh") else "en"


def language() -> Language:
    """Return the language of this run."""
    return CHOSEN.get()


def said(text: str, **values: object) -> str:
    """Return an English text in the language of this run, with its values."""
    return (chinese().get(text, text) if language() == "zh" else text).format(**values)


@cache
def chinese() -> Mapping[str, str]:
    """Return the Chinese texts by the English ones, and those of errors by their keys."""
    found: dict[str, str] = yaml_reading.read_yaml(Path(__file__).with_name("assess_zh.yaml"))
    return found


def explained(error: object) -> str:
    """Return an error in the language of this run. One with no key, or only that of its class, stays English."""
    if language() == "zh" and isinstance(error, VoxwardenError) and error.text != type(error).text:
        return chinese_errors()[f"error.{error.text}"].format(**error.values)
    return str(error)


@cache
def chinese_errors() -> Mapping[str, str]:
    """Return the Chinese texts of errors: those of the console's pages, or the command's own for the same key."""
    from pipeline.console.console_texts import Texts

    return {**Texts().catalogue("zh"), **chinese()}


def author(by: str | None) -> str:
    """Return the name for the record."""
    return by.strip() if by and by.strip() else actor()


def say(text: str, **values: object) -> None:
    """Print an English text in the language of this run."""
    show(said(text, **values))


def show(text: str) -> None:
    """Print a line as it is."""
    stdout.print(escape(text.rstrip()), soft_wrap=True, highlight=False)


def warn(text: str, **values: object) -> None:
    """Print a warning on stderr, in the language of this run."""
    stderr.print(f"[yellow]{said('warning:')}[/] {escape(said(text, **values))}", soft_wrap=True, highlight=False)


assess = add_group("assess", "Write, sign and check the report of the security assessment.")

Identity = Annotated[str | None, typer.Argument(help="Id of the assessment. Default: the newest one.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="The key. Default: the setting assessment.key, or else assessment.key in data_dir."),
]

Dsa = Annotated[
    bool, typer.Option("--dsa", help="Also write the tables of the EU's Digital Services Act, in the folder dsa.")
]


@assess.callback()
def speak(
    lang: Annotated[
        Language | None,
        typer.Option("--lang", help="Language of the output. Default: from LC_ALL or LANG, or else en."),
    ] = None,
) -> None:
    """Set the language of the output. Help is in English, and so are errors that other commands have, too."""
    choose(lang)


@assess.command()
def report(
    ctx: typer.Context,
    identity: Identity = None,
    final: Annotated[bool, typer.Option("--final", help="Freeze the report. You cannot change it afterwards.")] = False,
    with_open: Annotated[
        str, typer.Option("--with-open", help="Why the report is final with open hazards or triggers. It prints this.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for the files. Default: assessment-ID.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Also write PDF files.")] = True,
    dsa: Dsa = False,
) -> None:
    """Write the report in Chinese and English, its figures as JSON and CSV, its SQL, and a public page.

    Without --final the report is a draft with the figures of this moment. With --final all required fields must be
    filled in. The report is then frozen, and its SHA-256 goes into the audit log. Open hazards and undecided triggers
    are listed, and need --with-open with a reason.

    Examples:
      voxwarden assess report --out draft
      voxwarden assess report 2026-1 --final
      voxwarden assess report 2026-1 --final --with-open "Fixed; the proof is due on 15 March"
    """
    _require_extra()
    from pipeline.assessment.report import bundle

    made = _frozen(ctx, identity, with_open) if final else _report(ctx, identity)
    folder = out or Path(f"assessment-{made.id}")
    _write(folder, {**bundle.pages(made, pdf), **bundle.parts(made, dsa)})
    kind = said("final report") if made.final else said("draft")
    say("Wrote the {kind} of assessment {id} to {folder}.", kind=kind, id=made.id, folder=folder)


Name = Annotated[str, typer.Argument(help="Name of the attached file.")]
Of = Annotated[str | None, typer.Option("--assessment", help="Id of the assessment. Default: the newest one.")]


@assess.command()
def attach(
    ctx: typer.Context,
    item: Annotated[str, typer.Argument(help="Item of article 5, from 5.1 to 5.8.")],
    file: Annotated[Path, typer.Argument(help="A PDF, PNG or JPEG file of at most 10 MiB.")],
    identity: Of = None,
    by: By = None,
) -> None:
    """Attach a file to an item of the draft: the organisation chart, rules, a screenshot.

    The report names the file with its SHA-256 in that item, and the bundle has it. The name is all that a reader sees
    of it, so choose a good one. Files of an assessment may have 50 MiB together.

    Example:
      voxwarden assess attach 5.1 organisation-chart.pdf
    """
    from pipeline.assessment import attachments
    from pipeline.assessment.report import assessments

    number = f"5({item[2:]})" if item.startswith("5.") else item
    content = _read(file, attachments.MAX_BYTES + 1)  # a byte more shows that it is too large
    with database_of(ctx) as database, database.write() as connection:
        found = assessments.find(connection, identity)
        made = attachments.attach(connection, found.id, number, file.name, content, author(by), time.time())
    show(f"{made.sha256}  {made.item}  {made.name}")


@assess.command()
def detach(ctx: typer.Context, name: Name, identity: Of = None, by: By = None) -> None:
    """Remove an attached file from the draft.

    Example:
      voxwarden assess detach organisation-chart.pdf
    """
    from pipeline.assessment import attachments
    from pipeline.assessment.report import assessments

    with database_of(ctx) as database, database.write() as connection:
        found = assessments.find(connection, identity)
        attachments.detach(connection, found.id, name, author(by), time.time())


@assess.command("attachments")
def list_attachments(ctx: typer.Context, identity: Identity = None) -> None:
    """List the attached files: SHA-256, item and name.

    Example:
      voxwarden assess attachments 2026-1
    """
    from pipeline.assessment import attachments
    from pipeline.assessment.report import assessments

    with database_of(ctx) as database, database.read() as connection:
        for each in attachments.listed(connection, assessments.find(connection, identity).id):
            show(f"{each.sha256}  {each.item}  {each.name}")


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
    dsa: Dsa = False,
) -> None:
    """Write the evidence bundle of a final report: a signed zip for an inspector.

    It has the report, its attachments and data with hashes, the tallies of the window, the rules in force and the line
    of the audit log. It has audio only of the cases that you name. The audit log records it.

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
            data = bundle.build(connection, found, signer, audio, pdf, dsa)
        with database.write() as connection:  # before the file is there: no audio leaves without a line in the log
            audit_log.append(connection, time.time(), actor(), "assessment.bundle", found.id, {"clips": sorted(audio)})
    file = out or Path(f"assessment-{found.id}.zip")
    _write(file.parent, {file.name: data}, private=True)
    say("Wrote {file}.", file=file)


@assess.command()
def verify(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(help="A bundle (zip file), or the id of a final assessment.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The public key (PEM) that the operator published.")
    ] = None,
    audit_log: Annotated[
        bool, typer.Option("--audit-log", help="Also compare the bundle's line with the audit log of this store.")
    ] = False,
) -> None:
    """Check that a bundle or a final report is unchanged and follows from its data.

    A bundle needs no review store. Each line tells one result. The exit code is 1 if there is a fault. It is 5 if there
    is none, but the bundle is unverified, for example because no public key was given.

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
        raise InputError(
            f"{target} is a folder",
            "Name the zip file that `voxwarden assess bundle` wrote.",
            text="bundle_folder",
            target=target,
        )
    if file.is_file():
        given = signing.read_public(public_key) if public_key else None
        with ExitStack() as stack:
            log = stack.enter_context(stack.enter_context(database_of(ctx)).read()) if audit_log else None
            code = _show(checking.of_bundle(_read(file), target, given, log))
    else:
        with database_of(ctx) as database, database.read_in_background() as connection:
            code = _show(checking.of_assessment(connection, assessments.find(connection, target)))
    raise typer.Exit(code)


def _require_extra() -> None:
    """Raise ConfigError if the libraries that write and sign reports are not installed."""
    for name in ("cryptography", "jinja2"):  # not weasyprint, which only --pdf needs
        if find_spec(name) is None:
            how = install_extra("report")
            raise ConfigError(
                f"{name} is not installed", f"Install it: {how}.", text="not_installed", name=name, how=how
            )


def _show(checks: "Iterable[Checked]") -> Exit:
    """Print the results, and return the exit code."""
    found = set()
    for check in checks:
        denied = said("Not true:") + " " if check.denied else ""
        values = {
            name: explained(value) if isinstance(value, VoxwardenError) else value
            for name, value in check.values.items()
        }
        show(f"{said(check.result):10}  {denied}{said(check.about, **values)}")
        found.add(check.result)
    if "fault" in found:
        return Exit.FLAGGED
    return Exit.UNVERIFIED if "unverified" in found else Exit.CLEAN


def _report(ctx: typer.Context, identity: str | None) -> "AssessmentReport":
    from pipeline.assessment.report import assessments, gather

    with database_of(ctx) as database, database.read_in_background() as connection:
        return gather.gather(connection, assessments.find(connection, identity), settings_of(ctx))


def _frozen(ctx: typer.Context, identity: str | None, with_open: str) -> "AssessmentReport":
    """Measure, freeze and return the report."""
    from pipeline.assessment.report import assessments, gather

    with database_of(ctx) as database:
        with database.read() as connection:
            found = assessments.find(connection, identity)
        assessments.check_open(found)
        with database.read_in_background() as connection:
            measured = gather.measure(connection, found.window, settings_of(ctx))
            made = gather.finish(
                gather.draft(connection, found, settings_of(ctx), measured), actor(), time.time(), with_open
            )
        _warn_of_open(made)
        with database.write() as connection:
            show(f"SHA-256 {assessments.freeze(connection, made, measured.frozen())}")
    return made


def _warn_of_open(report: "AssessmentReport") -> None:
    """List the open hazards and triggers, and warn of a conclusion that they contradict."""
    from pipeline.assessment.report import html, wording

    for hazard in report.open_hazards:
        title = html.hazard_title(hazard, report.definitions, report.labels, language())
        warn("Hazard {id} is not closed: {title}", id=hazard.id, title=title)
    for trigger in report.open_triggers:
        signal = wording.signal(trigger.signal, language())
        warn("Trigger {id} is not decided: {signal}", id=trigger.id, signal=signal)
    concluded = "".join(each.text for each in report.answers if each.field == "conclusion")
    if report.open_hazards and "符合" in concluded.replace("不符合", ""):
        warn("The conclusion says 符合, but article 6 asks that hazards are gone first")


def _key(settings: "Settings", path: Path | None) -> Path:
    from pipeline.assessment.report import bundle

    return path or bundle.key_file(settings)


def _write(folder: Path, files: Mapping[str, bytes], private: bool = False) -> None:
    """Write files below `folder`. `private`: only for their owner, because they may hold speech."""
    write: Callable[[Path, bytes], object] = private_files.write_private if private else Path.write_bytes
    try:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write(folder / name, data)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}",
            "Name another place with --out.",
            text="unwritable",
            folder=folder,
            why=error.strerror,
        ) from error


def _read(file: Path, most: int = -1) -> bytes:
    """Return the content of a file, or its first `most` bytes."""
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}",
            "Check the path.",
            text="unreadable",
            file=file,
            why=error.strerror,
        ) from error
