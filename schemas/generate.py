"""Writes schemas/v1/*.schema.json from the wire types of `tallyroom.codec`, and schemas/openapi.yaml from the gateway's document.

Run it after a change of either, from the top of the checkout, and commit what it writes together with the change:

    .venv/bin/python schemas/generate.py

With ``--check`` it writes nothing and ends with 1 if a committed file is not what it would write. Once a release is out, v1 may
only grow by optional fields: recordings and logs of past nights have to stay readable.
"""

import sys
from pathlib import Path

import yaml

from tallyroom.codec.schemas import documents, file_name, render
from tallyroom.gateway import openapi

FOLDER = Path(__file__).parent / "v1"


def outdated(folder: Path) -> dict[Path, bytes]:
    """Files that are missing or differ from what the code says, with what they should hold."""
    wanted = {folder / file_name(name): render(schema) for name, schema in documents().items()}
    wanted[folder.parent / "openapi.yaml"] = as_yaml(openapi.document())
    return {path: data for path, data in wanted.items() if not path.is_file() or path.read_bytes() != data}


class Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: anchors are for machines."""

    def ignore_aliases(self, data: object) -> bool:
        """See PyYAML."""
        return True


def as_yaml(document: object) -> bytes:
    """A document as it is committed: members in their own order."""
    text: str = yaml.dump(document, Dumper=Plain, sort_keys=False, allow_unicode=True, width=128)
    return text.encode()


def main(arguments: list[str]) -> int:
    """Write the outdated files, or only name them with ``--check``."""
    changed = outdated(FOLDER)
    check = arguments == ["--check"]
    for path, data in changed.items():
        sys.stdout.write(f"{'outdated' if check else 'written'}: {path}\n")
        if not check:
            path.write_bytes(data)
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
