"""Query parameters, read strictly: what is not known is a problem that names it, never silently everything."""

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from tallyroom.gateway.edition import ContestKey, Index
from tallyroom.gateway.problem import Problem

_SHOWN: Final = 12
_MOST_VALUES: Final = 200
_WHOLE: Final = re.compile("[0-9]{1,15}")


class Filter(NamedTuple):
    """Which part of a snapshot is asked for; None: no restriction. Sorted, so equal wishes share one representation."""

    contests: tuple[str, ...] | None = None
    areas: tuple[str, ...] | None = None
    levels: tuple[str, ...] | None = None

    @property
    def whole(self) -> bool:
        """Whether everything is asked for."""
        return self == EVERYTHING

    def takes_contest(self, contest: ContestKey, levels: Mapping[str, str]) -> bool:
        """Whether the contest is shown: it was named (or none was) and has an area that is shown."""
        if self.contests is not None and contest.id not in self.contests:
            return False
        if self.areas is None and self.levels is None:
            return True
        return any(self.takes_area(area, levels.get(area, "")) for area in contest.areas)

    def takes_area(self, area: str, level: str) -> bool:
        """Whether the area is shown."""
        return (self.areas is None or area in self.areas) and (self.levels is None or level in self.levels)


EVERYTHING: Final = Filter()


def parameters(query: bytes, known: Collection[str]) -> dict[str, list[str]]:
    """Values by parameter; repeated and comma-separated values are one list. Raises Problem 400."""
    try:
        pairs = parse_qsl(
            query.decode(), keep_blank_values=True, strict_parsing=bool(query), max_num_fields=_MOST_VALUES
        )
    except ValueError as error:
        raise _bad(f"The query string cannot be read: {error}.") from error
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        if name not in known:
            raise _bad(f"There is no parameter {name!r}.", {"parameter": name, "known": sorted(known)})
        values = [value for value in text.split(",") if value]
        if not values:
            raise _bad(f"Parameter {name!r} is empty.", {"parameter": name})
        found.setdefault(name, []).extend(values)
    if sum(map(len, found.values())) > _MOST_VALUES:
        raise _bad(f"More than {_MOST_VALUES} values are asked for; ask for everything and pick from it.")
    return found


def snapshot_filter(query: bytes, index: Index, known: Collection[str] = ("contest", "area", "level")) -> Filter:
    """The filter of a request. Raises Problem 400, or 404 naming the value that is not known."""
    if not query:
        return EVERYTHING
    given = parameters(query, known)
    levels = index.levels()
    return Filter(
        _known("contest", given.get("contest"), [contest.id for contest in index.contests]),
        _known("area", given.get("area"), list(levels)),
        _known("level", given.get("level"), list(dict.fromkeys(levels.values()))),
    )


def flag(given: Mapping[str, list[str]], name: str, default: bool) -> bool:
    """A ``true``/``false`` parameter. Raises Problem 400."""
    values = given.get(name)
    if values is None:
        return default
    if values not in (["true"], ["false"]):
        raise _bad(f"Parameter {name!r} is true or false, not {','.join(values)!r}.", {"parameter": name})
    return values == ["true"]


def number(given: Mapping[str, list[str]], name: str, default: int) -> int:
    """A parameter that is one whole number. Raises Problem 400."""
    values = given.get(name)
    if values is None:
        return default
    if len(values) != 1 or not _WHOLE.fullmatch(values[0]):
        raise _bad(f"Parameter {name!r} is a whole number, not {','.join(values)!r}.", {"parameter": name})
    return int(values[0])


def _known(name: str, values: list[str] | None, known: list[str]) -> tuple[str, ...] | None:
    if values is None:
        return None
    allowed = set(known)
    for value in values:
        if value not in allowed:
            more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
            raise Problem(
                404,
                f"unknown-{name}",
                f"Unknown {name}",
                f"There is no {name} {value!r}; known are {', '.join(known[:_SHOWN])}{more}.",
                {"parameter": name, "value": value, "known": known[:_SHOWN]},
            )
    return tuple(sorted(set(values)))


def _bad(detail: str, extra: Mapping[str, object] | None = None) -> Problem:
    return Problem(400, "bad-query", "Query not understood", detail, extra)
