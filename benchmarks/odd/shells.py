"""Command lines in a shell: pipes, closed outputs, missing files, typical mistakes. Each with its exit code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """`code` is what bash gives with `pipefail`; `out` and `err` are parts of what it must print."""

    line: str
    code: int
    out: str = ""
    err: str = ""


SHELLS = (
    Line("voxwarden --version", 0, out="voxwarden "),
    Line("voxwarden ", 2),
    Line("voxwarden moderat x.wav", 2, err="No such command"),
    Line("voxwarden moderate", 2, err="Missing argument"),
    Line("voxwarden moderate none.wav", 3, err="There is no file none.wav"),
    Line("voxwarden moderate none.wav nor.wav --format json", 3, out='"error": "There is no file nor.wav'),
    Line("voxwarden moderate empty/", 3, err="No recordings in empty"),
    Line("voxwarden moderate talk.wav --format xml", 2),
    Line("voxwarden moderate talk.wav insult.wav --format srt", 2, err="one recording"),
    Line("voxwarden moderate loop.wav", 3, err="loop.wav"),
    Line("voxwarden moderate /dev/null", 3, err="/dev/null"),
    Line("voxwarden moderate - < /dev/null", 3, err="- is empty"),
    Line("voxwarden transcribe none.wav", 3, err="There is no file none.wav"),
    Line("voxwarden transcribe none.wav --format jsonl", 3, out='"error":"There is no file none.wav'),
    Line("voxwarden transcribe - < notes.txt", 3, err="- cannot be read as audio"),
    Line("voxwarden transcribe <(cat notes.txt)", 3, err="cannot be read as audio"),
    Line("voxwarden transcribe talk.wav --engine magic", 2, err="asr.engine"),
    Line(
        "cat talk.wav | voxwarden --set asr.model=tiny.en moderate - <(cat insult.wav) --fail-on block --format jsonl",
        1,
        out='"file": "-"',
    ),
    Line("voxwarden judge none.txt", 3, err="There is no file none.txt"),
    Line("voxwarden judge empty/", 3, err="empty/ cannot be read"),
    Line("voxwarden judge notes.txt --batch 0", 2),
    Line("voxwarden judge notes.txt --policy none", 2, err="none.yaml cannot be read"),
    Line("voxwarden judge < /dev/null", 0),
    Line("voxwarden judge insult.txt --fail-on block --format jsonl", 1, out='"suggestion": "block"'),
    Line("voxwarden judge notes.txt --fail-on review", 0),
    Line("voxwarden judge <(cat insult.txt) --fail-on review", 1),
    Line("cat insult.txt | voxwarden judge - --fail-on review", 1),
    Line("head -c 3000000000 /dev/zero | voxwarden judge", 3, err="Line 1 has more than"),
    Line("yes hello | voxwarden judge --format jsonl | head -1", 141, out='"kind": "utterance"'),
    Line("voxwarden judge insult.txt > /dev/full", 3, err="The results cannot be written"),
    Line("voxwarden judge insult.txt >&-", 3, err="The results cannot be written"),
    Line("voxwarden judge insult.txt --fail-on review 2>&-", 1),
    Line("voxwarden judge insult.txt --fail-on review 2> /dev/full", 1),
    Line("voxwarden config show | (exec 0<&-; sleep 3)", 141),
    Line("voxwarden config show > /dev/full", 3, err="The results cannot be written"),
    Line("voxwarden --set asr.model config show", 2, err="has no '='"),
    Line("voxwarden --set asr.modell=x config show", 2, err="asr.modell"),
    Line("voxwarden --set 'asr=[[[' config show", 2, err="--set asr"),
    Line("voxwarden --config none.yaml config check", 2, err="none.yaml"),
    Line("voxwarden --config empty/ config check", 2, err="empty"),
    Line("PYTHONIOENCODING=ascii voxwarden judge 弄.txt --format jsonl", 0, out='"kind": "utterance"'),
)
