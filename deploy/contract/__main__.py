"""Write docs/schemas/, docs/asyncapi.yaml and the generated parts of docs/contract.md."""

import json
from pathlib import Path

import yaml

from deploy.contract.asyncapi import document
from deploy.contract.manual import filled
from deploy.contract.schemas import KINDS, schema

DOCS = Path(__file__).parents[2] / "docs"
COMMAND = "python -m deploy.contract"


def files(docs: Path) -> dict[Path, str]:
    """The expected content of each generated file under `docs`."""
    made = {docs / "schemas" / f"{kind.__name__.lower()}.json": _json(schema(kind)) for kind in KINDS}
    made[docs / "asyncapi.yaml"] = f"# Written by {COMMAND}\n" + yaml.safe_dump(
        document(), sort_keys=False, allow_unicode=True, width=110
    )
    made[docs / "contract.md"] = filled((docs / "contract.md").read_text(encoding="utf-8"))
    return made


def main(docs: Path = DOCS) -> None:
    for path, text in files(docs).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
