"""Command lines in a shell: pipes, closed outputs, missing files, typical mistakes. Each has its exit code."""

from dataclasses import dataclass

from tests.odd.stores import LOGS


@dataclass(frozen=True, slots=True)
class ShellLine:
    """`code` is the exit code of bash with `pipefail`. `out` and `err` are parts of the expected output."""

    line: str
    code: int
    out: str = ""
    err: str = ""


WHOLE = "voxwarden --set data_dir=whole"
SECRETS = (
    "VOXWARDEN_STORE__URL='postgresql://127.0.0.1:1/x?password=hunter2' "
    "VOXWARDEN_WEBHOOKS__URL=http://ana:hunter2@127.0.0.1:1/ VOXWARDEN_AUDIT__ANCHOR_URL=http://ana:hunter2@127.0.0.1:1/"
)

SHELLS = (
    ShellLine("voxwarden --version", 0, out="voxwarden "),
    ShellLine("voxwarden ", 2),
    ShellLine("voxwarden moderat x.wav", 2, err="No such command"),
    ShellLine("voxwarden moderate", 2, err="Missing argument"),
    ShellLine("voxwarden moderate none.wav", 3, err="There is no file none.wav"),
    ShellLine("voxwarden moderate none.wav nor.wav --format json", 3, out='"error": "There is no file nor.wav'),
    ShellLine("voxwarden moderate ''", 2, err="a path is empty"),
    ShellLine("voxwarden moderate empty/", 3, err="No recordings in empty"),
    ShellLine("voxwarden moderate talk.wav --format xml", 2),
    ShellLine("voxwarden moderate talk.wav insult.wav --format srt", 2, err="one recording"),
    ShellLine("voxwarden moderate loop.wav", 3, err="loop.wav"),
    ShellLine("voxwarden moderate /dev/null", 3, err="/dev/null"),
    ShellLine("voxwarden moderate - < /dev/null", 3, err="- is empty"),
    ShellLine("voxwarden moderate foreign.wav --fail-on review", 0, err="fr"),
    ShellLine("voxwarden moderate foreign.wav --fail-on unheard", 1),
    ShellLine("voxwarden moderate foreign-insult.wav --fail-on review", 1),
    ShellLine(
        "voxwarden moderate foreign.wav insult.wav --fail-on review --format jsonl", 1, out='"file": "insult.wav"'
    ),
    ShellLine("voxwarden transcribe foreign.wav", 0, err="fr"),
    ShellLine("voxwarden transcribe none.wav", 3, err="There is no file none.wav"),
    ShellLine("voxwarden transcribe none.wav --format jsonl", 3, out='"error":"There is no file none.wav'),
    ShellLine("voxwarden transcribe - < notes.txt", 3, err="- cannot be read as audio"),
    ShellLine("voxwarden transcribe <(cat notes.txt)", 3, err="cannot be read as audio"),
    ShellLine("voxwarden transcribe talk.wav --engine magic", 2, err="asr.engine"),
    ShellLine(
        "cat talk.wav | voxwarden --set asr.model=tiny.en moderate - <(cat insult.wav) --fail-on review --format jsonl",
        1,
        out='"file": "-"',
    ),
    ShellLine("voxwarden judge none.txt", 3, err="There is no file none.txt"),
    ShellLine("voxwarden judge empty/", 3, err="empty/ cannot be read"),
    ShellLine("voxwarden judge notes.txt --batch 0", 2),
    ShellLine("voxwarden judge notes.txt --policy none", 2, err="none.yaml cannot be read"),
    ShellLine("voxwarden judge < /dev/null", 0),
    ShellLine("voxwarden judge <&-", 3, err="Reading the texts failed"),
    ShellLine("voxwarden judge insult.txt --fail-on review --format jsonl", 1, out='"suggestion": "review"'),
    ShellLine("voxwarden judge notes.txt --fail-on review", 0),
    ShellLine("voxwarden judge <(cat insult.txt) --fail-on review", 1),
    ShellLine("cat insult.txt | voxwarden judge - --fail-on review", 1),
    ShellLine("head -c 3000000000 /dev/zero | voxwarden judge", 3, err="Line 1 has more than"),
    ShellLine("yes hello | voxwarden judge --format jsonl | head -1", 141, out='"kind": "utterance"'),
    ShellLine("voxwarden judge insult.txt > /dev/full", 3, err="The results cannot be written"),
    ShellLine("voxwarden judge insult.txt >&-", 3, err="The results cannot be written"),
    ShellLine("voxwarden judge insult.txt --fail-on review 2>&-", 1),
    ShellLine("voxwarden judge insult.txt --fail-on review 2> /dev/full", 1),
    ShellLine("voxwarden config show | (exec 0<&-; sleep 3)", 141),
    ShellLine("voxwarden config show > /dev/full", 3, err="The results cannot be written"),
    ShellLine("voxwarden accounts add $'\\xff'", 3, err="is no text"),
    ShellLine("VOXWARDEN_ASR=$(printf '[%.0s' {1..30000}) voxwarden config check", 2, err="nested too deeply"),
    ShellLine(f"voxwarden --set data_dir={'a' * 300} cases list", 3, err="File name too long"),
    ShellLine("voxwarden --set data_dir=loop.wav accounts add ana", 2, err="loop.wav"),
    ShellLine("voxwarden --set data_dir=notes.txt audit verify", 2, err="There is no review store"),
    ShellLine("voxwarden assess verify bundle.zip --public-key operator.pub", 0),
    ShellLine("voxwarden assess verify bundle.zip", 5, out="No public key was given"),
    ShellLine("voxwarden assess verify bundle.zip --public-key whole/audit.key.pub", 1, out="Not true"),
    ShellLine(f"{WHOLE} assess verify bundle.zip --public-key operator.pub --audit-log", 0),
    ShellLine(f"{WHOLE} assess verify forged.zip --public-key operator.pub --audit-log", 1, out="Not true"),
    ShellLine(f"{WHOLE} assess verify no-before.zip --public-key operator.pub --audit-log", 1, out="Not true"),
    ShellLine("voxwarden assess verify no-before.zip --public-key operator.pub", 5, out="lacks the hash"),
    *(
        ShellLine(f"voxwarden assess verify {name}.zip --public-key operator.pub", 1, out=f"{name}.zip")
        for name in ("cut-bundle", "empty", "deflate", "lzma", "bzip2", "bomb")
    ),
    ShellLine(f"{WHOLE} audit verify --anchors anchors.jsonl", 0, out="1 anchors match"),
    ShellLine(f"{WHOLE} audit verify --anchors /dev/zero", 3, err="/dev/zero"),
    ShellLine(f"{WHOLE} audit verify --anchors deep.jsonl", 3, err="deep.jsonl"),
    ShellLine(f"{WHOLE} audit verify --expect $'\\xff'", 3, err="is no text"),
    *(
        ShellLine(f"voxwarden --set data_dir={folder} audit verify", 3, err="The audit log is broken")
        for folder in LOGS
    ),
    ShellLine("voxwarden --set asr.model config show", 2, err="has no '='"),
    ShellLine("voxwarden --set asr.modell=x config show", 2, err="asr.modell"),
    ShellLine("voxwarden --set 'asr=[[[' config show", 2, err="--set asr"),
    ShellLine("voxwarden --config none.yaml config check", 2, err="none.yaml"),
    ShellLine("voxwarden --config empty/ config check", 2, err="empty"),
    ShellLine(f"{SECRETS} voxwarden config show | (! grep hunter2)", 0),
    ShellLine(f"{SECRETS} voxwarden doctor 2>&1 | (! grep hunter2)", 3),
    ShellLine(f"VOXWARDEN_GATEWAY__TOKENS='[\"{' ' * 20}\"]' voxwarden config check", 2, err="shorter than 16"),
    ShellLine("voxwarden --config yes.yaml config check", 2, err="gateway.port"),
    ShellLine("voxwarden --set webhooks.url=http://h:65536 doctor --deployment", 2, err="webhooks.url"),
    ShellLine("voxwarden --set webhooks.url=http://h:65536 config check", 2, err="webhooks.url"),
    ShellLine("voxwarden --set listen.sounds=[scream] --set listen.yamnet=none config check", 2, err="listen.yamnet"),
    ShellLine("timeout 60 voxwarden policy check rooms.yaml", 0),
    ShellLine("PYTHONIOENCODING=ascii voxwarden judge 弄.txt --format jsonl", 0, out='"kind": "utterance"'),
)
