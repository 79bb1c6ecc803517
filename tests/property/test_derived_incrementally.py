"""Documents derived step by step, only where something changed, equal those derived from nothing, over all kinds of events."""

from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tallyroom.codec import packed
from tallyroom.publisher.journal import Journals
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.tabulation.rows import widened
from tests.support.elections import CLOSED_AT, Amend, Item, Night, election, plan_of, with_rules
from tests.support.histories import histories

RULED: Final = with_rules(election(2))


class Publishing:
    """What the publisher does: keep the documents of the last revision and replace those that changed."""

    def __init__(self) -> None:
        self.deriver = Deriver(plan_of(RULED))
        self.documents: dict[str, Any] = {}
        self.totals: dict[tuple[str, str], Any] = {}
        self.journals = Journals()

    def look(self, night: Night) -> Facts:
        """Derive where totals moved; everything if the definition did."""
        cells = {place: widened(row, night.plan.contests[place[0]].width) for place, row in night.cells().items()}
        changed = {place for place in {*cells, *self.totals} if cells.get(place) != self.totals.get(place)}
        if self.deriver.plan.chain != night.plan.chain:
            self.deriver, self.documents = Deriver(night.plan), {}
        if not self.documents:
            changed = set(self.deriver.all_places())
        self.totals = cells
        changed |= self.read_journals(night)
        facts = Facts(
            totals=cells,
            corrections=self.journals.corrections(),
            apart=self.journals.apart(),
            waiting=self.journals.waiting(),
            now=CLOSED_AT,
        )
        changed |= self.deriver.moved(facts)
        self.documents |= self.deriver.documents(changed, facts)
        self.documents |= self.deriver.beside(facts)
        return facts

    def read_journals(self, night: Night) -> set[tuple[str, str]]:
        """Take in what the journals of the partitions say since the last look; the places that it is about."""
        found = set()
        for number, fold in enumerate(night.folds):
            changes = fold.take()
            entries = [*map(packed.note_entry, changes.notes), *map(packed.wait_entry, changes.waits)]
            for entry in sorted(entries, key=lambda entry: entry.offset):
                contest = self.journals.remember(number, entry) or ""
                found.add((contest, night.plan.contests[contest].root))
        return found


def fresh(night: Night, facts: Facts) -> dict[str, Any]:
    """All documents from nothing."""
    deriver = Deriver(night.plan)
    return {**deriver.documents(deriver.all_places(), facts), **deriver.beside(facts)}


@settings(max_examples=120)
@given(histories(RULED, 16), st.integers(1, 3))
def test_step_by_step_equals_from_nothing(history: list[Item], partitions: int) -> None:
    night, published = Night(RULED, partitions), Publishing()
    for item in history:
        night.feed(item)
        facts = published.look(night)
        if isinstance(item, Amend) or item is history[-1]:
            assert published.documents == fresh(night, facts)
    if history:
        assert published.documents == fresh(night, published.look(night))
