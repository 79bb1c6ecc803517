"""References inside JSON documents."""

from collections.abc import Iterator


def references(node: object) -> Iterator[str]:
    """Every $ref below the node."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)
