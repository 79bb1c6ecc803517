"""The documents of a revision, derived again only where totals changed.

Names: ``election``, ``definition``, ``contest:CONTEST``, ``areas:CONTEST:PARENT`` (the children of an area;
PARENT empty: the root), and ``beside:NAME``: objects whose members stand beside the contests in the snapshot. Not in the snapshot:
``ledger:CONTEST`` (all corrections) and ``apart:CONTEST`` (all units apart from the totals).
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from tallyroom.apportionment.model import RuleError
from tallyroom.domain.election import Body, Scope
from tallyroom.results import desk, flags
from tallyroom.results.apart import apart_document, apart_section, rejected_places
from tallyroom.results.areas import Status, area_document, leading, lines_of, status
from tallyroom.results.asides import Sections
from tallyroom.results.bodies import body_document
from tallyroom.results.declared import Computed, beside_computed
from tallyroom.results.facts import Facts, Place
from tallyroom.results.flags import ShownFlag
from tallyroom.results.ledger import corrections_document, ledger_document
from tallyroom.results.outcome.document import ContestOutcome, Outcomes
from tallyroom.results.outcome.outstanding import Issued, issued_by_area
from tallyroom.results.projection import Projector
from tallyroom.results.register import Expectation, expectations
from tallyroom.results.release import Releases
from tallyroom.results.standing import Standings, standings
from tallyroom.results.swing import swing_document
from tallyroom.results.turnout import Turnout
from tallyroom.results.watch import Watch
from tallyroom.tabulation.plan import ContestPlan, Plan
from tallyroom.tabulation.rows import Row

ELECTION: Final = "election"
"""Name of the document with what the definition says that is shown wherever figures are."""
BESIDE: Final = "beside:"
"""What the names of documents begin with whose members the snapshot shows beside the contests."""

LEDGER: Final = "ledger:"
APART: Final = "apart:"
"""What the names of documents begin with that list all corrections, and all units apart, of a contest; not in the snapshot."""


def areas_name(contest: str, parent: str | None) -> str:
    """Name of the document that holds the children of an area."""
    return f"areas:{contest}:{parent or ''}"


def contest_name(contest: str) -> str:
    """Name of the document of a contest without its areas."""
    return f"contest:{contest}"


class Deriver:
    """Turns facts into documents. Keeps what a definition says once and for all, and each contest's last outcome for the bodies."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._expected: dict[str, dict[str, Expectation]] = {
            name: expectations(plan, contest) for name, contest in plan.contests.items()
        }
        self._watch = Watch(plan, self._expected)
        self.watched: list[ShownFlag] = []  # every flag as of the last time, those under embargo as well
        self._rules = {name: Outcomes(plan, contest, self._expected[name]) for name, contest in plan.contests.items()}
        self._lines = {name: lines_of(contest.contest.rule) for name, contest in plan.contests.items()}
        self._projectors = {name: Projector(contest, self._expected[name]) for name, contest in plan.contests.items()}
        self._outcomes: dict[str, ContestOutcome] = {}
        self._releases = Releases(plan)
        self._sections = Sections()
        self._turnout = Turnout(plan, self._expected)
        self._withheld: frozenset[Place] = frozenset()
        self._standings = dict.fromkeys(plan.contests, Standings())
        self._known: tuple[tuple[str, ...], tuple[int, ...]] = ((), ())  # declarations and corrections looked at

    def all_places(self) -> list[Place]:
        """Every (contest, area) of the definition."""
        return [(name, area) for name, contest in self.plan.contests.items() for area in contest.contest.areas]

    def documents(
        self,
        changed: Iterable[Place],
        facts: Facts,
        *,
        release: bool = False,
    ) -> dict[str, Any]:
        """The documents that hold these places, and their contests'.

        ``release``: show what is under embargo too, for output that is not published.
        """
        groups: dict[str, tuple[ContestPlan, str | None]] = {}
        contests: dict[str, ContestPlan] = {}
        for contest_id, area in changed:
            contest = self.plan.contests[contest_id]
            contests[contest_id] = contest
            parent = contest.contest.areas[area]
            groups[areas_name(contest_id, parent)] = (contest, parent)
        made: dict[str, Any] = {}
        self.moved(facts)
        withheld = frozenset[Place]() if release else self._withheld
        issued, rejected = issued_by_area(facts.asides), rejected_places(facts.asides)
        for contest_id, contest in contests.items():
            if (contest_id, contest.root) in withheld:
                self._outcomes.pop(contest_id, None)
                made[contest_name(contest_id)] = self._hidden(contest)
            else:
                made[contest_name(contest_id)] = self._contest(contest, facts, issued)
            made[f"{LEDGER}{contest_id}"] = self._ledger(contest, facts, withheld)
            made[f"{APART}{contest_id}"] = self._apart(contest, facts, rejected, withheld)
        for name, (contest, parent) in groups.items():
            shown = [area for area in contest.children[parent] if (contest.id, area) not in withheld]
            made[name] = self._areas(contest, shown, facts)
        return made

    def _ledger(self, contest: ContestPlan, facts: Facts, withheld: Container[Place]) -> dict[str, Any]:
        """The contest's corrections, too long for the snapshot."""
        return ledger_document(
            contest, facts.corrections.get(contest.id, ()), lambda area: (contest.id, area) not in withheld
        )

    def _apart(
        self, contest: ContestPlan, facts: Facts, rejected: frozenset[str], withheld: Container[Place]
    ) -> dict[str, Any]:
        """The contest's units apart, too long for the snapshot."""
        units = facts.apart.get(contest.id, ()), facts.waiting.get(contest.id, ())
        return apart_document(self.plan, contest, units, rejected, lambda area: (contest.id, area) not in withheld)

    def election(self) -> dict[str, Any]:
        """What the definition says that is shown wherever figures are."""
        return {"notes": self.plan.definition.notes, "attribution": self.plan.definition.attribution}

    def beside(self, facts: Facts, *, release: bool = False) -> dict[str, Any]:
        """The documents that stand beside the contests, each an object of one member."""
        self.moved(facts)
        withheld = frozenset[Place]() if release else self._withheld
        shown: dict[str, Any] = dict(self._sections.shown(facts.asides, facts.now, None if release else self._releases))
        shown["bodies"] = [self._body(body, facts, withheld) for body in self.plan.definition.bodies]
        shown["turnout_by_area"] = self._turnout.by_area(shown["turnout"], facts.totals, withheld)
        shown["turnout"] = self._turnout.bulletins(shown["turnout"])
        shown["declared"] = beside_computed(shown["declared"], facts.asides, self._computed(facts, shown["bodies"]))
        rejected = rejected_places(facts.asides)
        shown["units_apart"] = apart_section(
            self._apart(contest, facts, rejected, withheld)
            for name, contest in self.plan.contests.items()
            if name in facts.apart or name in facts.waiting
        )
        self.watched = [*facts.flags, *self._watch.flags(facts)]
        shown["flags"] = flags.section(self.watched, facts.settled, withheld)
        shown["calls"] = desk.calls(facts.asides, self._outcomes, withheld, self.plan)
        shown["released"] = desk.released(facts.released, withheld)
        return {f"{BESIDE}{name}": {name: items} for name, items in shown.items()}

    def _computed(self, facts: Facts, bodies: Sequence[Mapping[str, Any]]) -> Computed:
        """What stands beside declarations; of contests and houses under embargo nothing is declared either."""
        return Computed(
            plan=self.plan,
            totals=facts.totals,
            expected=self._expected,
            seats={name: {s: seat.now for s, seat in made.seats.items()} for name, made in self._outcomes.items()},
            houses={
                house["body"]: {party: seats["now"] for party, seats in house["parties"].items()}
                for house in bodies
                if house["parties"] is not None
            },
            corrections=facts.corrections,
            impossible={key: str(at) for one in self._standings.values() for key, at in one.impossible.items()},
        )

    def _body(self, body: Body, facts: Facts, withheld: Container[Place]) -> dict[str, Any]:
        """A house; nothing of it while one of its contests is under embargo."""
        hidden = any((contest, self.plan.contests[contest].root) in withheld for contest in body.contests)
        if self.plan.definition.scope is Scope.PART or hidden:
            return {"body": body.id, "seats": body.seats, "parties": None}
        for contest in body.contests:
            if contest not in self._outcomes:
                self._outcomes[contest] = self._rules[contest].outcome(facts, issued_by_area(facts.asides))
        try:
            return body_document(body, self.plan, self._outcomes)
        except RuleError as error:  # the house must not stop the counts
            return {"body": body.id, "seats": body.seats, "parties": None, "error": error.what}

    def moved(self, facts: Facts) -> frozenset[Place]:
        """Places that are shown otherwise than before although no total moved: released or withheld, certified, suspended ..."""
        declared = [event for event in facts.asides if event["type"] == "declaration"]
        self._releases = self._releases.under(declared)
        before, self._withheld = self._withheld, self._releases.withheld(facts.now)
        moved = set(before ^ self._withheld)
        known = (tuple(event["id"] for event in declared), tuple(map(len, facts.corrections.values())))
        if known != self._known:
            self._known = known
            moved |= self._restated(declared, facts)
        return frozenset(moved)

    def _restated(self, declared: Sequence[Mapping[str, Any]], facts: Facts) -> set[Place]:
        """Places of contests whose standing is another one under these declarations and corrections."""
        moved = set[Place]()
        for name, contest in self.plan.contests.items():
            standing = standings(contest, declared, facts.corrections.get(name, ()))
            if standing != self._standings[name]:
                moved.update((name, area) for area in contest.contest.areas)
                self._standings[name] = standing
        return moved

    def outcome(self, contest: str) -> ContestOutcome | None:
        """The contest's outcome as it was derived last."""
        return self._outcomes.get(contest)

    @property
    def releases(self) -> Releases:
        """When what may be public, by the declarations of the facts looked at last."""
        return self._releases

    def units_expected(self, contest: str) -> int:
        """Units expected in the whole contest."""
        return self._expected[contest][self.plan.contests[contest].root].units

    def _hidden(self, contest: ContestPlan) -> dict[str, Any]:
        """The document of a contest of which nothing may be known yet."""
        until = self._releases.at(contest.id)
        return {"contest": contest.id, "status": Status.PRE_ELECTION, "embargoed_until": until}

    def _contest(self, contest: ContestPlan, facts: Facts, issued: Issued) -> dict[str, Any]:
        root = contest.root
        row = self._row(contest, root, facts)
        corrections: Sequence[Any] = facts.corrections.get(contest.id, ())
        outcome = self._outcomes[contest.id] = self._rules[contest.id].outcome(facts, issued)
        return {
            "contest": contest.id,
            "status": self._status(contest, root, row),
            "leading": leading(contest, row),
            "corrections": corrections_document(contest, row, (outcome.problem, outcome.made), corrections),
            **outcome.members(),
            "projection": self._projectors[contest.id].project(lambda area: self._row(contest, area, facts)),
            **_frozen(contest, root, facts),
        }

    def _areas(self, contest: ContestPlan, areas: Iterable[str], facts: Facts) -> list[dict[str, Any]]:
        return [{**self._area(contest, area, facts), **_frozen(contest, area, facts)} for area in areas]

    def _area(self, contest: ContestPlan, area: str, facts: Facts) -> dict[str, Any]:
        row, expected = self._row(contest, area, facts), self._expected[contest.id][area]
        made = area_document(contest, area, self.plan.areas[area].level, row, expected, self._lines[contest.id])
        made["status"] = self._status(contest, area, row)
        if contest.contest.previous is not None:
            complete = status(row, expected.units) is Status.UNOFFICIAL_COMPLETE
            still = (contest.id, area) in facts.frozen  # the sums below go on, and must not be seen through
            matched = None if still else facts.matched.get((contest.id, area))
            made["swing"] = swing_document(contest, area, row, matched, complete=complete)
        return made

    def _status(self, contest: ContestPlan, area: str, row: Row) -> Status:
        counted = status(row, self._expected[contest.id][area].units)
        return self._standings[contest.id].status(contest, area, counted)

    @staticmethod
    def _row(contest: ContestPlan, area: str, facts: Facts) -> Row:
        return facts.totals.get((contest.id, area), (0,) * contest.width)


def _frozen(contest: ContestPlan, area: str, facts: Facts) -> dict[str, Any]:
    """The mark of a place whose figures stand still."""
    found = facts.frozen.get((contest.id, area))
    return {} if found is None else {"frozen": found}
