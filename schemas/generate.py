"""Writes schemas/v1/*.schema.json from the wire structs of `tallyroom.codec`.

Run it after a change of the structs, from the top of the checkout, and commit what it writes together with the change:

    .venv/bin/python schemas/generate.py

With ``--check`` it writes nothing and ends with 1 if a committed file is not what it would write. Once a release is out, v1 may
only grow by optional fields: recordings and logs of past nights have to stay readable.
"""

import sys
from pathlib import Path

from tallyroom.codec.schemas import documents, file_name, render

FOLDER = Path(__file__).parent / "v1"


def outdated(folder: Path) -> dict[Path, bytes]:
    """Files that are missing or differ from what the structs say, with what they should hold."""
    wanted = {folder / file_name(name): render(schema) for name, schema in documents().items()}
    return {path: data for path, data in wanted.items() if not path.is_file() or path.read_bytes() != data}


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
