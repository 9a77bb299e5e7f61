"""Hand-written YAML is read, and malicious YAML is refused."""

from pathlib import Path

import pytest

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30)
)
CHAIN = "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5_000))

REFUSED = {
    "deep list": ("[" * 5_000, "nesting depth"),
    "deep mapping": ("{a: " * 5_000, "nested more than 50 deep"),
    "deep blocks": ("".join(f"{' ' * n}a:\n" for n in range(5_000)), "nested more than 50 deep"),
    "deep by aliases": (CHAIN, "nested more than 50 deep"),
    "bomb": (BOMB, "stands for more than 1,000,000 values"),
    "bomb of merges": (MERGE_BOMB, "stands for more than 1,000,000 values"),
    "endless": ("a: &a [*a]", "uses *a before &a has ended"),
    "unknown alias": ("a: *b", "uses *b before &b has ended"),
    "key twice": ("a: 1\nb: 2\na: 3", "line 3, gives the key a twice"),
    "key twice, nested": ("x:\n  - {a: 1, 'a': 2}", "line 2, gives the key a twice"),
    "code": ("a: !!python/object/apply:os.system [ls]", "has the tag"),
    "odd date": ("a: 2024-02-31", "has a value that YAML cannot read"),
    "two documents": ("a: 1\n---\nb: 2", "is not YAML"),
    "open bracket": ("a: [1, 2\nb: 3", "line 2, is not YAML"),
    "tab": ("a:\n\t- b", "line 2, is not YAML"),
    "NUL": ("a: \0", "is not YAML"),
    "unhashable key": ("{[a]: 1}", "is not YAML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_the_file_and_the_reason(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        yaml_reading.parse_yaml(data, "rules.yaml")
    assert "rules.yaml" in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ordinary_files_are_read() -> None:
    text = "base: &base {a: 1, b: [x, 'y']}\nmore:\n  <<: *base\n  a: 2\nnone:\ndate: 2024-02-29\n"
    found = yaml_reading.parse_yaml(text, "rules.yaml")
    assert found["more"] == {"a": 2, "b": ["x", "y"]}
    assert found["none"] is None
    assert yaml_reading.parse_yaml("", "rules.yaml") is None


def test_the_same_key_may_be_in_two_mappings() -> None:
    assert yaml_reading.parse_yaml("a: {k: 1}\nb: {k: k}\nc: [{k: 1}, {k: 2}]", "x")["c"] == [{"k": 1}, {"k": 2}]


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"a: \xff\xfe\xfa")
    with pytest.raises(ConfigError, match=r"rules\.yaml is not YAML"):
        yaml_reading.read_yaml(path)


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"/dev/zero is larger than 16 MiB"):
        yaml_reading.read_yaml(Path("/dev/zero"))


def test_the_error_for_a_missing_file_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file.*There are: strict"):
        yaml_reading.read_yaml(tmp_path / "none.yaml", "There are: strict.")
