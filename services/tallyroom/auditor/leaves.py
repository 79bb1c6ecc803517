"""Two JSON values against each other, leaf by leaf; what is left out is named here, one by one (docs/auditor.md)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

LEFT_OUT: Final[Mapping[tuple[str, ...], str]] = {
    ("revision",): "how many revisions were published before: the publisher's own count",
    ("generated_at",): "wall clock of the publisher",
    ("stale_since",): "wall clock of the publisher: since when it may be out of date",
    ("store_id",): "the store's own name",
    ("hashes", "build"): "the version of the software",
    ("changed",): "what differs from the revision before: the log does not say what was published when",
    ("decided", "*", "*", "by"): "at which level it was decided when it was decided first",
    ("decided", "*", "*", "since"): "when the publisher saw it first",
    ("decided", "*", "*", "revision"): "in which revision the publisher saw it first",
    ("decided", "*", "*", "units_reported"): "as of that revision",
    ("decided", "*", "*", "units_expected"): "as of that revision",
    ("decided", "*", "*", "undone"): "decisions of revisions before",
}
"""Paths that are not compared; * stands for any name or place in a list."""

LEFT_OUT_LIVE: Final[Mapping[tuple[str, ...], str]] = {
    ("clock",): "wall clock of the publisher: on a live night it is the election clock",
}
"""The same, on a live night alone."""

LEFT_OUT_OF_SNAPSHOTS: Final[Mapping[tuple[str, ...], str]] = {
    ("hashes", "content"): "follows from all documents, some of which no snapshot holds",
}
"""The same, in a snapshot alone."""

GIVEN: Final[Mapping[tuple[str, ...], str]] = {
    (
        "contests",
        "*",
        "frozen",
        "as_of",
    ): "when the publisher saw the act of the desk; figures are compared as of there",
    ("contests", "*", "areas", "*", "frozen", "as_of"): "the same",
    ("flags", "listed", "*"): "those of code identical_counts alone: found beside the publishing, a moment later",
}
"""What the log does not say and results rest on: taken from the publication, everything that follows is compared."""

_MISSING: Final = "missing"
_LONGEST: Final = 200

Path = tuple[str, ...]


class Leaf(NamedTuple):
    """A leaf that differs; ``expected`` or ``found``: as JSON where it is no plain value, "missing" where there is none."""

    path: Path
    expected: int | str | None
    found: int | str | None

    @property
    def figure(self) -> str:
        """Its name: names joined by dots, places in a list counted from 0."""
        return ".".join(self.path)


def differing(expected: Any, found: Any, path: Path = (), *, live: bool = False) -> Iterator[Leaf]:
    """Leaves of two JSON values that differ, but those left out."""
    if _is_left_out(path, live):
        return
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in [*expected, *(name for name in found if name not in expected)]:
            yield from _member(expected, found, name, (*path, name), live)
    elif _is_list(expected) and _is_list(found):
        if len(expected) != len(found):
            yield Leaf((*path, "length"), len(expected), len(found))
        for place, (one, other) in enumerate(zip(expected, found, strict=False)):
            wrong = list(differing(one, other, (*path, str(place)), live=live))
            yield from wrong
            if wrong and len(expected) != len(found):
                return  # from the first that is missing or added on, everything is shifted
    elif expected != found or type(expected) is not type(found):
        yield Leaf(path, plain(expected), plain(found))


def _member(expected: Mapping[str, Any], found: Mapping[str, Any], name: str, path: Path, live: bool) -> Iterator[Leaf]:
    if name in expected and name in found:
        yield from differing(expected[name], found[name], path, live=live)
    elif not _is_left_out(path, live):
        one, other = (plain(side[name]) if name in side else _MISSING for side in (expected, found))
        yield Leaf(path, one, other)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_left_out(path: Path, live: bool) -> bool:
    known: list[Path] = [*LEFT_OUT, *(LEFT_OUT_LIVE if live else ())]
    return any(
        len(pattern) == len(path) and all(want in ("*", name) for want, name in zip(pattern, path, strict=True))
        for pattern in known
    )


def plain(value: Any) -> int | str | None:
    """A value as it is told: itself, or JSON, cut where it is long."""
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
