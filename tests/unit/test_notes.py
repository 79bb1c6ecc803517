"""What the journal says of single reports: corrections, units apart from the totals, reports that wait and no longer do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from tallyroom.codec import packed
from tallyroom.domain.election import ReportingUnit
from tallyroom.domain.events import AddUnit, Refusal
from tallyroom.tabulation import notes
from tallyroom.tabulation.notes import Note, Wait, Waits
from tests.support.elections import Amend, Item, Night, Sent, election

FIRST: Final = Sent("list", "u1", numbers=(7, 2, 1, 0))


def noted(*items: Item) -> list[Note]:
    """Notes of these events."""
    night = Night(election(2))
    for item in items:
        night.feed(item)
    return night.folds[0].take().notes


def waiting(night: Night) -> list[tuple[str, int, str]]:
    """Who waits: leaf, version, code."""
    return sorted((wait.name, wait.version, wait.code) for wait in night.folds[0].waits)


@pytest.mark.parametrize(
    "items",
    [
        [FIRST],
        [replace(FIRST, parts=(1, 2)), replace(FIRST, version=2, numbers=(9, 4, 1, 0))],
        [replace(FIRST, kind="correction")],
        [replace(FIRST, disposition="counted", registered=12)],
    ],
)
def test_the_ordinary_course_of_a_night_leaves_no_note(items: list[Item]) -> None:
    """First counts, further parts, a register: the journal would hold the night a second time."""
    assert noted(*items) == []


def test_a_correction_upward_is_noted_with_every_figure_that_changed() -> None:
    (note,) = noted(FIRST, replace(FIRST, version=2, numbers=(8, 3, 1, 0), kind="correction", reason="miscounted"))
    assert (note.fell, note.reason, note.before_version) == ({}, "miscounted", 1)
    assert note.changed == {"cast": (10, 12), "valid": (10, 12), "P": (7, 8), "Q": (2, 3)}
    assert packed.note_entry(note).entry == "note"


def test_a_retraction_takes_all_figures_back() -> None:
    (note,) = noted(FIRST, replace(FIRST, version=2, kind="retraction"))
    assert note.kind == "retraction"
    assert note.changed["P"] == note.fell["P"] == (7, 0)


@pytest.mark.parametrize("disposition", ["held", "annulled", "not_opened", "cancelled"])
def test_a_unit_apart_is_noted_when_it_comes_and_when_it_goes(disposition: str) -> None:
    apart = replace(FIRST, disposition=disposition, reason="objection", registered=20)  # type: ignore[arg-type]
    came, went = noted(apart, replace(FIRST, version=2, registered=20))
    assert (came.disposition, came.registered, came.cast, came.reason) == (disposition, 20, 10, "objection")
    assert (went.disposition, went.fell, went.changed["P"]) == ("counted", {}, (0, 7))


def test_a_refused_report_waits_until_its_unit_says_something_as_new() -> None:
    night = Night(election(2))
    night.feed(replace(FIRST, version=2, broken="accounting"))
    night.feed(replace(FIRST, version=2, broken="accounting"))
    assert waiting(night) == [("list|u1", 2, "accounting")]
    night.feed(FIRST)
    assert waiting(night) == [("list|u1", 2, "accounting")], "version 1 says nothing of version 2"
    night.feed(replace(FIRST, version=2))
    assert waiting(night) == []
    changes = night.folds[0].take()
    assert len(changes.waits) == 1
    assert [note.settles for note in changes.notes] == [True]


def test_an_older_report_that_is_refused_waits_for_nobody() -> None:
    night = Night(election(2))
    night.feed(replace(FIRST, version=3))
    night.feed(replace(FIRST, version=2, broken="accounting"))
    assert waiting(night) == []
    night.feed(replace(FIRST, version=3, numbers=(1,)))
    assert waiting(night) == [("list|u1", 3, "equivocation")], "of two that contradict each other one is counted"


@pytest.mark.parametrize("broken", ["source", "press", "contest", "election", "group"])
def test_who_sends_what_he_may_not_makes_no_unit_wait(broken: str) -> None:
    night = Night(election(2))
    night.feed(replace(FIRST, broken=broken))  # type: ignore[arg-type]
    assert waiting(night) == []


def test_a_report_of_an_unknown_unit_waits_and_is_settled_after_the_amendment() -> None:
    night = Night(election(2))
    sent = replace(FIRST, unit="n1")
    night.feed(sent)
    assert waiting(night) == [("list|n1", 1, "unknown_unit")]
    night.feed(Amend((AddUnit(unit=ReportingUnit(id="n1", registered=9), contests={"list": "A"}),)))
    assert waiting(night) == [("list|n1", 1, "unknown_unit")], "it was not judged again yet"
    night.feed(replace(sent, broken="accounting"))
    assert waiting(night) == [("list|n1", 1, "accounting")]
    night.feed(sent)
    assert waiting(night) == []


def test_a_wait_ends_with_a_reason_after_which_nobody_can_be_waited_for() -> None:
    """A stranger's report of an unknown unit: once the unit is known it is found to be a stranger's, and never sent again."""
    waits = Waits()
    wait = Wait(4, "list", "n1", None, 1, 0, "unknown_unit")
    assert waits.refuse(wait)
    assert waits.refuse(wait._replace(offset=9, code="unknown_source"))
    assert not waits


def test_a_source_gone_wild_does_not_fill_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "MAX_WAITS", 2)
    waits = Waits()
    made: Sequence[bool] = [
        waits.refuse(Wait(at, "list", f"ghost-{at}", None, 1, 0, "unknown_unit")) for at in range(4)
    ]
    assert list(made) == [True, True, False, False]
    assert waits.settle("list|ghost-0", 1)
    assert waits.refuse(Wait(9, "list", "ghost-9", None, 1, 0, "unknown_unit"))


def test_every_code_after_which_a_report_waits_is_one_of_the_reports_own() -> None:
    others = {Refusal.WRONG_PARTITION, Refusal.WRONG_ELECTION, Refusal.WRONG_ENVIRONMENT, Refusal.UNKNOWN_SOURCE}
    assert not notes.WAITING & others
