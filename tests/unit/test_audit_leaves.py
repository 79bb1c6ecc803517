"""What the auditor does not compare: named in docs/auditor.md, there in the schema, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tallyroom.auditor.leaves import GIVEN, LEFT_OUT, LEFT_OUT_LIVE, LEFT_OUT_OF_SNAPSHOTS, Leaf, differing
from tallyroom.codec.snapshot import Snapshot

DOCUMENTED: Final = Path("docs/auditor.md").read_text()
NAMED: Final = (*LEFT_OUT, *LEFT_OUT_LIVE, *LEFT_OUT_OF_SNAPSHOTS, *GIVEN)
OF_THE_STORED_HEAD: Final = ("changed",)
"""No reader is shown it."""


def paths(schema: dict[str, Any], whole: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every path of a schema, leaves and what holds them; * for any place in a list, any name in an object."""
    yield path
    if "$ref" in schema:
        yield from paths(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, path)
    for each in schema.get("anyOf", ()):
        yield from paths(each, whole, path)
    for name, each in schema.get("properties", {}).items():
        yield from paths(each, whole, (*path, name))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from paths(schema[key], whole, (*path, "*"))


def snapshot_paths() -> set[tuple[str, ...]]:
    """Every path of a snapshot."""
    schema = msgspec.json.schema(Snapshot)
    return set(paths(schema, schema))


@pytest.mark.parametrize("path", NAMED, ids=".".join)
def test_what_is_not_compared_stands_in_the_documentation_and_in_the_schema(path: tuple[str, ...]) -> None:
    assert f"`{'.'.join(path)}`" in DOCUMENTED
    assert path in snapshot_paths() or path[0] in OF_THE_STORED_HEAD


def test_every_field_of_the_schema_is_compared_or_named() -> None:
    """A field that is added is compared from then on, unless somebody names it."""
    found = snapshot_paths()
    leaves = {path for path in found if path and not any(other[: len(path)] == path != other for other in found)}
    assert len(leaves) > 250
    for path in leaves:
        right, wrong = 1, 2
        for name in reversed(path):
            right, wrong = {name: right}, {name: wrong}  # type: ignore[assignment]
        compared = [leaf.path for leaf in differing(right, wrong)] == [path]
        named = any(path[: len(pattern)] == pattern for pattern in LEFT_OUT)
        assert compared is not named, path


def test_lists_are_told_from_where_they_part() -> None:
    assert list(differing({"a": [1, 2, 3]}, {"a": [1, 3]})) == [
        Leaf(("a", "length"), 3, 2), Leaf(("a", "1"), 2, 3),
    ]  # fmt: skip
    assert list(differing([1, True, None], [1, 1, 0])) == [Leaf(("1",), "true", 1), Leaf(("2",), None, 0)]
    assert list(differing({"a": {"b": 1}}, {"a": {}, "c": []})) == [
        Leaf(("a", "b"), 1, "missing"), Leaf(("c",), "missing", "[]"),
    ]  # fmt: skip
