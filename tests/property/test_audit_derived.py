"""A night published step by step, only where something changed, is what the auditor derives from nothing; and no leaf of it is
skipped but those that are named."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyroom.apportionment import lists
from tallyroom.apportionment.model import Shared
from tallyroom.apportionment.quotas import largest_remainder
from tallyroom.auditor.leaves import LEFT_OUT
from tallyroom.codec.events import AnyEvent, Control, Declaration, Desk, Estimate, Participation
from tallyroom.domain.events import AddSelection, CloseUnit
from tallyroom.domain.plausibility import Plausibility
from tests.property.test_audit import lively_logs, some_logs
from tests.support.audits import DEFINITIONS, Item, Tabulated
from tests.support.derivations import Publishing
from tests.support.elections import CLOSED_AT, ELECTION, Amend, Sent, election, selection, with_rules


@settings(max_examples=150)
@given(st.one_of(some_logs, lively_logs), st.integers(1, 3), st.integers(1, 5))
def test_a_night_published_step_by_step_is_what_the_auditor_derives(
    drawn: tuple[int, list[Item]], partitions: int, every: int
) -> None:
    night = Tabulated(DEFINITIONS[drawn[0]], partitions)
    published = Publishing(night)
    for number, item in enumerate([*drawn[1], None]):
        if item is not None:
            night.send(item)
        if (number % every == 0 or item is None) and published.look():
            assert [str(found) for found in published.audit()] == []


COMMON: Final[dict[str, Any]] = {
    "election": ELECTION, "environment": "test", "source": "cec", "reported_at": CLOSED_AT,
}  # fmt: skip
OPERATORS: Final = ("Aigerim", "Daniyar")


def act(what: Any, **about: Any) -> Desk:
    name = "-".join([what, *map(str, about.values())])
    return Desk(id=name, **COMMON, act=what, operators=OPERATORS, text={"en": "Being checked."}, **about)


EVENTS: Final[tuple[AnyEvent, ...]] = (
    Participation(id="p1", **COMMON, measure="issued", as_of=CLOSED_AT, area="R", ballots=31),
    Participation(id="p2", **COMMON, measure="cast", as_of=CLOSED_AT, area="A", turnout="0.5012", registered=40),
    Control(id="c1", **COMMON, contest="list", area="R", counts={"P": 30}, ballots={"cast": 99}, units_reported=2),
    Estimate(
        id="e1", **COMMON, pollster="p", names={"en": "P"}, method="exit_poll", contest="list", release_at=CLOSED_AT,
        shares={"P": "0.5"},
    ),
    Declaration(id="d1", **COMMON, act="certification", contest="inside"),
    Declaration(id="d2", **COMMON, act="seats", contest="list", seats={"P": 4, "Q": 3}),
    act("call", contest="groups", selection="X"),
    act("freeze", contest="groups"),
)  # fmt: skip
REPORTS: Final = (
    Sent("list", "u1", numbers=(7, 2, 1, 0)),
    Sent("list", "u3", numbers=(5, 4, 0, 1), invalid=2, parts=(1, 2)),
    Sent("list", "u1", version=2, numbers=(6, 3, 1, 0), reason="recounted"),
    Sent("list", "u1", version=3, numbers=(6, 3, 1, 0), disposition="held", reason="objections"),
    Sent("list", "u1", version=4, numbers=(6, 4, 1, 0)),  # figures that were out come back
    Sent("list", "u4", numbers=(3, 3, 3, 3), disposition="held", reason="objections"),
    Sent("list", "u2", numbers=(1, 1, 1, 1), broken="accounting"),
    Sent("list", "u2", version=2, numbers=(1, 1, 1, 1), broken="accounting", released="0:1", operators=OPERATORS),
    Sent("list", "ghost", numbers=(1, 1, 1, 1)),
    Sent("groups", "u1", group="advance", numbers=(2, 3)),
    Sent("inside", "u1", numbers=(1, 0, 0)),
)


def rich() -> Publishing:
    """A night with something in every section, found right after every step."""
    night = Tabulated(with_rules(election(2)), 2)
    published = Publishing(night)
    for item in (*REPORTS, *EVENTS, Sent("groups", "u3", group="advance", numbers=(5, 5))):
        night.send(item)
        published.look()
        assert [str(found) for found in published.audit()] == []
    return published


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every leaf of a JSON value; empty lists and objects are leaves, too."""
    if isinstance(value, dict) and value:
        for name in value:
            yield from leaves(value[name], (*path, name))
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from leaves(item, (*path, str(place)))
    else:
        yield path, value


def other(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return (
                re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), value)
                if value[:1].isdigit()
                else f"{value}x"
            )
        case None:
            return "x"
        case list():
            return ["x"]
        case _:
            return {"x": "x"}


def changed(document: Any, path: tuple[str, ...]) -> Any:
    """The document with another value at the path."""
    made = json.loads(json.dumps(document))
    within = made
    for name in path[:-1]:
        within = within[int(name) if isinstance(within, list) else name]
    last: Any = int(path[-1]) if isinstance(within, list) else path[-1]
    within[last] = other(within[last])
    return made


def is_left_out(path: tuple[str, ...]) -> bool:
    """Whether the path is on the list."""
    return any(
        len(pattern) == len(path) and all(want in ("*", name) for want, name in zip(pattern, path, strict=True))
        for pattern in LEFT_OUT
    )


def test_every_leaf_that_is_published_is_compared_but_those_that_are_named() -> None:
    published = rich()
    head, documents = published.published()
    sections = json.loads(documents["beside:turnout_by_area"]), json.loads(documents["kept:frozen"])
    assert all(sections), "a night with something in every section"
    missed, met, seen = [], set(), set()
    for name, data in documents.items():
        for path, _ in leaves(json.loads(data)):
            kind = (name.partition(":")[0], tuple("*" if part.isdigit() else part for part in path))
            if not path or kind in seen:
                continue
            seen.add(kind)
            found = published.audit({name: msgspec.json.encode(changed(json.loads(data), path))})
            if is_left_out(path):
                met.add(path)
                assert found == []
            elif not found:
                missed.append((name, path))
    assert missed == []
    assert len(seen) > 300
    assert met, "some of the record of decided questions is history"
    for path, _ in leaves({key: value for key, value in head.items() if key not in ("as_of", "documents", "changed")}):
        found = published.audit(head=changed(head, path))
        assert bool(found) is not is_left_out(path), path


def test_a_late_report_changes_no_total_and_yet_what_is_published() -> None:
    """A flag about a source that serves an older state again rests on refused reports alone."""
    night = Tabulated(election(2), 2)
    published = Publishing(night)
    night.send(Sent("list", "u1", version=200, numbers=(7, 2, 1, 0)))
    for version in range(1, 2 + Plausibility().late_reports):
        night.send(Sent("list", "u1", version=version, numbers=(7, 2, 1, 0)))
        published.look()
        assert [str(found) for found in published.audit()] == []
    assert json.loads(published.published()[1]["beside:flags"])["flags"]["open"] == {"source_regression": 1}


@pytest.mark.parametrize("partitions", [1, 2])
def test_places_freeze_as_they_are_when_the_definition_changes_in_the_same_moment(partitions: int) -> None:
    """The rows that stand still must be those of the offsets that their mark names."""
    night = Tabulated(with_rules(election(2)), partitions)
    published = Publishing(night)
    night.send(Sent("list", "u1", numbers=(7, 2, 1, 0)))
    published.look()
    night.send(Sent("list", "u3", numbers=(5, 4, 0, 1)))
    night.send(Amend((AddSelection(contest="list", selection=selection("Z")), CloseUnit(unit="u2"))))
    night.send(act("freeze", contest="list"))
    published.look()
    assert [str(found) for found in published.audit()] == []


def test_a_release_that_gives_out_seats_by_another_method_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publisher and derivation share the code that is wrong then: the auditor's own arithmetic alone says otherwise."""

    def droop(method: str, votes: Mapping[str, int], seats: int) -> Shared:
        return largest_remainder("droop", votes, seats)

    monkeypatch.setattr(lists, "largest_remainder", droop)
    night = Tabulated(with_rules(election(2)), 1)
    published = Publishing(night)
    night.send(Sent("list", "u1", numbers=(760, 240, 0, 0)))
    published.look()
    found = {(item.contest, item.figure, item.expected, item.found) for item in published.audit()}
    assert found == {
        ("list", "apportionment.seats.P.now", 5, 6),
        ("list", "apportionment.seats.Q.now", 2, 1),
        (None, "bodies.0.parties.P.now", 5, 6),
        (None, "bodies.0.parties.Q.now", 2, 1),
    }
