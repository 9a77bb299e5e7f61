"""Invalid YAML for policies, lexicons, labels and settings. Each must be refused with one line."""

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))

MANY_ROOM_TYPES = "name: many\nevery: {review: 0.9}\nroom_types:\n" + "".join(
    f"  room{n}: {{risk: {{review: 0.9}}}}\n" for n in range(5_000)
)
"""A policy that is valid. Not long ago, its check took more than a minute."""

SHEETS: dict[str, bytes] = {
    "deep lists": b"[" * 5_000,
    "deep mappings": b"{a: " * 5_000,
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(5_000)).encode(),
    "deep by aliases": ("a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 900))).encode(),
    "bomb": BOMB.encode(),
    "endless": b"a: &a [*a]",
    "key twice": b"about: one\nabout: two\n",
    "unknown key": b"polciy: x\n",
    "list": b"- a\n- b\n",
    "text": b"just words",
    "number": b"42",
    "tag": b"about: !!python/object/apply:os.system [ls]",
    "odd date": b"about: 2024-02-31",
    "two documents": b"about: a\n---\nabout: b",
    "open bracket": b"about: [a\n",
    "tab": b"about:\n\t- a\n",
    "NUL": b"about: \0",
    "not UTF-8": b"about: \xff\xfa",
    "key that is a list": b"? [a]\n: b\n",
    "large number": b"about: " + b"9" * 5_000,
    "17 MB": b"# " + b"x" * 17 * 2**20,
    "binary": bytes(range(256)),
}

FORMS = {
    "policy": ("policy", "check", "{}"),
    "lexicon": ("--set", "judge.lexicons=[{}]", "config", "check"),
    "labels": ("--set", "judge.labels={}", "policy", "check"),
    "settings": ("--config", "{}", "config", "check"),
}
"""The command line for each kind of file."""
