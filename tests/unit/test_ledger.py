"""The ledger of corrections and its effects, and the lists of what is in no total."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from hypothesis import given

from tallyroom.codec import packed
from tallyroom.domain.election import Definition, ReportingUnit, Rule, SelectionStatus, Threshold
from tallyroom.domain.events import AddUnit, CloseUnit
from tallyroom.publisher.journal import Journals
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.tabulation.rows import widened
from tests.support.elections import CLOSED_AT, Amend, Item, Night, Sent, election, with_contest
from tests.support.histories import successions


def ruled() -> Definition:
    """Lists for seven seats over a fifth of the valid votes."""
    made = election(2)
    rule = Rule(method="hare", seats=7, law="", thresholds=(Threshold(share="1/5", base=("valid",)),))
    return with_contest(made, replace(made.contests[0], rule=rule))


DEFINITION: Final = ruled()
FIRST: Final = Sent("list", "u1", numbers=(10, 4, 0, 0))


def facts_of(night: Night, asides: Sequence[dict[str, Any]] = ()) -> Facts:
    """What a publisher would know of the night."""
    journals = Journals()
    changes = night.folds[0].take()
    entries = [*map(packed.note_entry, changes.notes), *map(packed.wait_entry, changes.waits)]
    for entry in sorted(entries, key=lambda entry: entry.offset):
        journals.remember(0, entry)
    plans = night.plan.contests
    totals = {place: widened(row, plans[place[0]].width) for place, row in night.cells().items()}
    return Facts(
        totals=totals, corrections=journals.corrections(), apart=journals.apart(), waiting=journals.waiting(),
        asides=asides, now=CLOSED_AT,
    )  # fmt: skip


def shown(*items: Item, asides: Sequence[dict[str, Any]] = (), definition: Definition = DEFINITION) -> dict[str, Any]:
    """All documents after these events."""
    night = Night(definition)
    for item in items:
        night.feed(item)
    deriver, facts = Deriver(night.plan), facts_of(night, asides)
    return {**deriver.documents(deriver.all_places(), facts), **deriver.beside(facts)}


def test_a_correction_shows_what_it_did_to_shares_threshold_and_seats() -> None:
    made = shown(FIRST, replace(FIRST, version=2, numbers=(14, 3, 0, 0), kind="correction", reason="two piles swapped"))
    found = made["contest:list"]["corrections"]
    assert found["count"] == 1
    (latest,) = found["latest"]
    assert (latest["unit"], latest["reason"], latest["kind"]) == ("u1", "two piles swapped", "correction")
    assert (latest["fell"], latest["changed"]["P"]) == ({"Q": (4, 3)}, (10, 14))
    assert latest["effect"]["shares"]["P"] == {"without": "0.714286", "with": "0.823529"}
    assert latest["effect"]["seats"] == {"P": {"without": 5, "with": 7}, "Q": {"without": 2, "with": 0}}
    assert latest["effect"]["passed"] == {"without": ["P", "Q"], "with": ["P"]}
    assert "leading" not in latest["effect"]
    assert found["effect"] == latest["effect"], "it is the only one"
    assert made["ledger:list"]["corrections"] == [{k: v for k, v in latest.items() if k != "effect"}]


def test_a_retraction_can_change_who_leads() -> None:
    other = Sent("list", "u2", numbers=(0, 8, 0, 0))
    made = shown(FIRST, other, replace(FIRST, version=2, kind="retraction"))
    (latest,) = made["contest:list"]["corrections"]["latest"]
    assert "leading" not in latest["effect"], "Q leads with it and without"
    assert latest["kind"] == "retraction"
    lead = shown(FIRST, other, replace(FIRST, version=2, numbers=(14, 1, 0, 0), kind="recount"))
    (latest,) = lead["contest:list"]["corrections"]["latest"]
    assert latest["effect"]["leading"]["without"]["selections"] == ["Q"]
    assert latest["effect"]["leading"]["with"]["selections"] == ["P"]


def test_a_correction_can_change_who_wins_though_the_same_one_leads() -> None:
    """Who has died since the ballots were printed cannot lead and can win."""
    contest = election(2).contests[0]
    dead = (replace(contest.selections[0], status=SelectionStatus.DEAD), *contest.selections[1:])
    one_seat = Rule(method="plurality", seats=1, law="")
    definition = with_contest(election(2), replace(contest, selections=dead, rule=one_seat))
    made = shown(
        replace(FIRST, numbers=(4, 9, 0, 0)), replace(FIRST, version=2, numbers=(10, 9, 0, 0), kind="correction"),
        definition=definition,
    )  # fmt: skip
    (latest,) = made["contest:list"]["corrections"]["latest"]
    assert "leading" not in latest["effect"], "Q leads with it and without"
    assert latest["effect"]["seats"] == {"P": {"without": 0, "with": 1}, "Q": {"without": 1, "with": 0}}


def test_of_many_corrections_five_are_shown_all_are_listed_and_joined() -> None:
    several = [replace(FIRST, version=at, numbers=(10 + at, 4, 0, 0), kind="correction") for at in range(2, 10)]
    made = shown(FIRST, *several)
    found = made["contest:list"]["corrections"]
    assert (found["count"], len(found["latest"]), len(made["ledger:list"]["corrections"])) == (8, 5, 8)
    assert found["effect"]["shares"]["P"] == {"without": "0.714286", "with": "0.826087"}


def test_a_unit_that_was_retracted_and_reported_anew_is_not_counted_twice_without_the_retraction() -> None:
    made = shown(FIRST, replace(FIRST, version=2, kind="retraction"), replace(FIRST, version=3))
    found = made["contest:list"]["corrections"]
    assert [entry["kind"] for entry in found["latest"]] == ["retraction", "counted"]
    retraction, again = found["latest"]
    assert retraction["effect"] == found["effect"] == {"shares": {}, "seats": {}}, "it stands where it stood"
    assert again["effect"]["shares"]["P"] == {"without": None, "with": "0.714286"}


def test_a_unit_that_was_held_first_and_counted_then_was_not_corrected() -> None:
    made = shown(replace(FIRST, disposition="held"), replace(FIRST, version=2))
    assert made["contest:list"]["corrections"] == {"count": 0, "latest": [], "effect": None}
    later = shown(FIRST, replace(FIRST, version=2, disposition="held"), replace(FIRST, version=3))
    assert later["contest:list"]["corrections"]["count"] == 2, "taken out, and back again"


@given(successions(DEFINITION))
def test_without_all_corrections_of_a_unit_it_stands_at_its_first_figures(history: list[Item]) -> None:
    """Every step after the first made a correction: all of them together take the unit back."""
    reports = [item for item in history if isinstance(item, Sent) and item.contest == "list"]
    reports = [replace(item, kind="correction", disposition="counted", parts=None, registered=None) for item in reports]
    if len(reports) < 2:
        return
    before = shown(reports[0])["areas:list:"][0]
    effect = shown(*reports)["contest:list"]["corrections"]["effect"]
    for name, pair in (effect or {"shares": {}})["shares"].items():
        assert pair["without"] == before["shares"][name]


def test_units_apart_are_named_with_the_voters_behind_them_and_the_reason() -> None:
    made = shown(
        replace(FIRST, disposition="held", reason="objection to three ballots"),
        Sent("list", "u2", disposition="annulled", numbers=(3,)),
        Sent("list", "u3", numbers=(1,)),
        replace(Sent("list", "u4", numbers=(5,)), broken="accounting"),
        replace(Sent("list", "ghost", numbers=(5,))),
    )
    (section,) = made["beside:units_apart"]["units_apart"]
    assert section == made["apart:list"]
    assert section["states"] == {"annulled": 1, "held": 1, "waiting": 2}
    held, annulled, unknown, waiting = section["units"]
    assert (held["unit"], held["area"], held["voters_registered"], held["ballots_cast"]) == ("u1", "A", 10, 14)
    assert (held["reason"], held["code"]) == ("objection to three ballots", None)
    assert (annulled["unit"], annulled["state"]) == ("u2", "annulled")
    assert (waiting["unit"], waiting["code"], waiting["voters_registered"]) == ("u4", "accounting", 25)
    assert (unknown["unit"], unknown["area"], unknown["voters_registered"]) == ("ghost", None, None)


def test_a_unit_leaves_the_list_when_it_is_counted_closed_or_taken_back() -> None:
    held = replace(FIRST, disposition="held")
    for last in (
        replace(FIRST, version=2),
        replace(FIRST, version=2, kind="retraction"),
        Amend((CloseUnit(unit="u1", contest="list"),)),
    ):
        made = shown(held, last)
        assert made["apart:list"]["units"] == []
        assert made["beside:units_apart"]["units_apart"] == []


def test_a_report_that_the_operator_rejected_waits_no_more() -> None:
    broken = replace(FIRST, broken="accounting")
    reject = {"type": "desk", "act": "reject", "target": "0:1", "id": "d1", "reported_at": CLOSED_AT.isoformat()}
    assert shown(broken)["apart:list"]["count"] == 1
    assert shown(broken, asides=[reject])["apart:list"]["count"] == 0


def test_a_unit_that_an_amendment_names_is_listed_in_its_area_until_its_report_is_judged_again() -> None:
    sent = Sent("list", "n1", numbers=(2,))
    amend = Amend((AddUnit(unit=ReportingUnit(id="n1", registered=9), contests={"list": "B"}),))
    (waiting,) = shown(sent, amend)["apart:list"]["units"]
    assert (waiting["area"], waiting["voters_registered"]) == ("B", 9)
    assert shown(sent, amend, sent)["apart:list"]["units"] == []
