"""Decisions of the desk that are about no single refused record: made as events, with what readers will see in words."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom.codec.events import Amendment, Change, Declaration, Desk, Report
from tallyroom.desk.acts import Act, DeskError, Hand, People
from tallyroom.desk.book import Book
from tallyroom.results.desk import stands
from tallyroom.results.documents import Deriver
from tallyroom.tabulation.amend import AmendmentError, amend
from tallyroom.tabulation.plan import Leaf, Plan
from tallyroom.tabulation.supersede import FIGURES, Refused, state_of

SOURCE: Final = "source:"
"""What a target begins with that is a source, not a contest."""

PUBLICATION: Final = "publication"
"""Target of a thaw: the auditor froze publication as a whole (docs/reliability.md)."""

_changes: Final = msgspec.json.Decoder(tuple[Change, ...])


class Target(NamedTuple):
    """What an act is about: a contest, with or without an area, or a source; nothing of these: publication as a whole."""

    contest: str | None
    area: str | None
    source: str | None

    def __str__(self) -> str:
        if self.contest is None:
            return PUBLICATION if self.source is None else f"source {self.source}"
        return f"{self.contest}" if self.area is None else f"{self.area} in {self.contest}"


def target(plan: Plan, text: str) -> Target:
    """``CONTEST``, ``CONTEST:AREA``, ``source:NAME`` or ``publication``. Raises DeskError naming what there is."""
    if text == PUBLICATION:
        return Target(None, None, None)
    if text.startswith(SOURCE):
        name = text.removeprefix(SOURCE)
        if name not in plan.may_report:
            raise DeskError(f"The definition has no source {name!r}.", f"name one of {', '.join(plan.may_report)}")
        return Target(None, None, name)
    contest, rest = split(plan, text)
    if rest and rest not in plan.contests[contest].contest.areas:
        raise DeskError(f"Contest {contest} has no area {rest!r}.", "name an area of the contest, or leave it out")
    return Target(contest, rest or None, None)


def split(plan: Plan, text: str) -> tuple[str, str]:
    """The contest at the beginning of ``CONTEST:REST``, and the rest. Raises DeskError."""
    if text in plan.contests:
        return text, ""
    for name in sorted(plan.contests, key=len, reverse=True):
        if text.startswith(f"{name}:"):
            return name, text[len(name) + 1 :]
    shown = ", ".join(list(plan.contests)[:5])
    raise DeskError(f"{text!r} names no contest of the definition.", f"name one, such as {shown}")


def texts(plan: Plan, given: Sequence[str]) -> dict[str, str]:
    """Public text by language: ``en=...`` names it; without it is the election's first language."""
    found = {}
    for text in given:
        tag, sign, rest = text.partition("=")
        known = bool(sign) and tag in plan.definition.languages
        found[tag if known else plan.definition.languages[0]] = (rest if known else text).strip()
    return {tag: text for tag, text in found.items() if text}


async def freeze(hand: Hand, book: Book, about: Target, text: Mapping[str, str], who: People) -> str:
    """Publish no newer figures of a contest or area; take in no reports of a source. What readers see of it."""
    hand.require(who)
    if not text:
        raise DeskError("A freeze is public and has no text.", "say it to readers: --text 'Figures are being checked.'")
    await _act(hand, book, "freeze", about, text, who)
    if about.source is not None:
        return f"further reports of {about.source} wait in quarantine (source_frozen); totals and all else go on"
    return f"{about} stays at its last published figures, marked as frozen with your text; totals go on underneath"


async def thaw(hand: Hand, book: Book, about: Target, who: People) -> str:
    """Take a freeze back."""
    hand.require(who)
    if about.source is not None and about.source not in book.frozen_sources():
        raise DeskError(f"Source {about.source} is not frozen.", "nothing needs to be done")
    await _act(hand, book, "thaw", about, {}, who)
    if about.contest is None and about.source is None:
        return "publication goes on once the publisher has read this, if the auditor had frozen it"
    if about.source is None:
        return f"{about} shows the figures as they are now"
    waiting = sum(case.code == "source_frozen" for case in book.waiting())
    return (
        f"reports of {about.source} count again; {waiting:,} wait: release them with "
        "`tallyroom quarantine release ELECTION source_frozen`"
    )


async def accept(hand: Hand, book: Book, source: str, who: People, *, with_flag: bool) -> str:
    """Count sheets of an authoritative source although they do not add up, with a flag; or no more."""
    hand.require(who)
    about = target(book.plan, f"{SOURCE}{source}")
    await _act(hand, book, "accept_with_flag" if with_flag else "accept_strictly", about, {}, who)
    if with_flag:
        return f"sheets of {source} that do not add up are counted from now on, each with the flag `accounting`"
    return f"sheets of {source} that do not add up are refused again"


async def call(hand: Hand, book: Book, what: str, text: Mapping[str, str], who: People) -> str:
    """Say that a selection has it, apart from the data; ``what``: CONTEST:SELECTION. With a warning if the bound says no."""
    hand.require(who)
    contest, selection = split(book.plan, what)
    known = [item for item in book.plan.contests[contest].selections if item == selection]
    if not known:
        raise DeskError(f"Contest {contest} has no selection {selection!r}.", "give CONTEST:SELECTION with its id")
    await _act(hand, book, "call", Target(contest, None, None), text, who, selection=selection)
    said = bound_says(book, contest, selection)
    warning = " ALARM: the count contradicts it: uncall it" if said == "contradicted" else ""
    return f"{selection} is called in {contest}, apart from the figures; the bound says: {said}.{warning}"


def bound_says(book: Book, contest: str, selection: str) -> str:
    """What outstanding ballots can still do to a call, by the totals as they are."""
    deriver = Deriver(book.plan)
    deriver.documents([(contest, book.plan.contests[contest].root)], book.facts(), release=True)
    return stands(selection, deriver.outcome(contest))


async def uncall(hand: Hand, book: Book, what: str, who: People) -> str:
    """Take a call back."""
    hand.require(who)
    contest, selection = split(book.plan, what)
    await _act(hand, book, "uncall", Target(contest, None, None), {}, who, selection=selection)
    return f"{selection} is no longer called in {contest}"


async def _act(
    hand: Hand, book: Book, what: Act, about: Target, text: Mapping[str, str], who: People, **more: str
) -> Desk:
    made = hand.act(
        what, who, contest=about.contest, area=about.area, target_source=about.source, text=dict(text) or None, **more
    )
    await hand.write(made, who)
    return made


async def embargo(hand: Hand, book: Book, about: Target, until: datetime | None, who: People) -> str:
    """Put off the release of a contest's (or area's) figures, or (None) lift it: a declaration, entered by the desk."""
    hand.require(who)
    if about.contest is None:
        raise DeskError(f"An embargo is about a contest or an area, not about {about}.", "name CONTEST or CONTEST:AREA")
    at = hand.now()
    made = Declaration(
        id=_identifier("embargo", (str(about), str(until), str(at))),
        election=book.plan.election,
        environment=book.plan.environment,  # type: ignore[arg-type]
        source=hand.source("declaration"),
        reported_at=at,
        act="embargo_lifted" if until is None else "embargo_extended",
        contest=about.contest,
        area=about.area,
        release_at=until,
        operators=who.operators,
    )
    await hand.write(made, who)
    return f"{about}: nothing is shown before {until.isoformat()}" if until else f"{about}: shown from now on"


async def correct(hand: Hand, book: Book, leaf: Leaf, figures: Mapping[str, int], who: People) -> str:
    """Correct a unit by hand: the figures named, the others as they were reported last. Raises DeskError if they are unknown."""
    hand.require(who)
    unknown = sorted(figures.keys() - set(leaf.plan.figures))
    if unknown:
        raise DeskError(f"{leaf.name} has no figure {unknown[0]!r}.", f"name one of {', '.join(leaf.plan.figures)}")
    state, _ = book.unit(leaf)
    before = {} if state is None else dict(zip(leaf.plan.figures, state[FIGURES:], strict=False))
    now = {**before, **figures}
    missing = [name for name in leaf.plan.figures if name not in now]
    if missing:
        raise DeskError(
            f"{leaf.name} has not reported: every figure is needed, {missing[0]} is not given.",
            "name all of them as NAME=NUMBER",
        )
    version = 1 if state is None else state[0] + 1
    made = Report(
        id=_identifier("correction", (leaf.name, str(version), str(sorted(now.items())))),
        election=book.plan.election,
        environment=book.plan.environment,  # type: ignore[arg-type]
        source=leaf.source,
        reported_at=hand.now(),
        contest=leaf.plan.id,
        unit=leaf.unit,
        count_group=leaf.group,
        version=version,
        kind="correction",
        counts={name: now[name] for name in leaf.plan.selections},
        ballots={name: now[name] for name in leaf.plan.measures},
        reason=who.reason,
        operators=who.operators,
    )
    _require_sound(book, made, leaf)
    await hand.write(made, who)
    changed = [f"{name} {before.get(name, 0):,} -> {now[name]:,}" for name in now if before.get(name) != now[name]]
    return (
        f"{leaf.name} version {version}: {', '.join(changed) or 'nothing changed'}; in the ledger of corrections with your "
        f"reason. The source's own next report must have a version above {version}"
    )


def _require_sound(book: Book, made: Report, leaf: Leaf) -> None:
    """A correction that would be refused is said to be wrong before it stands in the log. Raises DeskError."""
    if leaf.closure is not None:
        raise DeskError(
            f"{leaf.name} was {leaf.closure} by an amendment.", "amend the definition first (`reopen_unit`)"
        )
    state = state_of(made, leaf)
    if isinstance(state, Refused) and made.source not in book.flagging_sources():
        raise DeskError(
            f"Not corrected: {state.detail} ({state.refusal}).", "give figures that hold; nothing was written"
        )


async def amendment(hand: Hand, book: Book, data: bytes, who: People) -> str:
    """Change the definition by a list of changes (docs/events.md, "amendment"); reports that waited for it are judged again."""
    hand.require(who)
    made = Amendment(
        id=_identifier("amendment", (book.plan.chain, data.decode(errors="replace"))),
        election=book.plan.election,
        environment=book.plan.environment,  # type: ignore[arg-type]
        source=hand.source("amendment"),
        reported_at=hand.now(),
        previous=book.plan.chain,
        changes=changes_of(data),
        reason=who.reason,
        operators=who.operators,
    )
    try:
        after = Plan(amend(book.plan.definition, made.to_domain()), "")
    except AmendmentError as error:
        raise DeskError(f"The change cannot be made: {error}.", "correct it; nothing was written") from error
    waiting = [case for case in book.waiting() if _judged_again(book.plan, after, case.report)]
    await hand.write(made, who)
    return (
        f"definition {book.plan.chain[:12]} is in force; {len(waiting):,} reports that waited for it are sent again by "
        "`tallyroom returns` (on the embedded log by the publisher) and judged anew"
    )


def changes_of(data: bytes) -> tuple[Change, ...]:
    """The changes in a file that an operator wrote. Raises DeskError."""
    try:
        return _changes.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DeskError(f"These are no changes: {error}.", "write a JSON list of changes, docs/events.md") from error


def _judged_again(before: Plan, after: Plan, report: Report | None) -> bool:
    """Whether the amendment makes the report's unit one that is expected."""
    if report is None or report.contest not in before.contests:
        return False

    def open_in(plan: Plan) -> bool:
        contest = plan.contests[report.contest].contest
        return report.unit in contest.units and report.unit not in contest.closed_units

    return open_in(after) and not open_in(before)


def leaf_of(book: Book, text: str) -> Leaf:
    """``CONTEST:UNIT``, or ``CONTEST:UNIT#GROUP`` where the contest counts by group. Raises DeskError."""
    contest, rest = split(book.plan, text)
    compiled = book.plan.contests[contest]
    unit, group = rest, None
    if compiled.contest.count_groups:
        unit, _, name = rest.rpartition("#")
        group = name or None
        if group not in compiled.contest.count_groups:
            raise DeskError(
                f"{contest} counts by group.",
                f"give CONTEST:UNIT#GROUP with one of {', '.join(compiled.contest.count_groups)}",
            )
    leaf = book.plan.leaf(compiled, unit, group)
    if leaf is None:
        raise DeskError(
            f"Contest {contest} does not expect unit {unit!r}.", "give CONTEST:UNIT as the definition has it"
        )
    return leaf


def _identifier(what: str, parts: tuple[str, ...]) -> str:
    return f"desk-{what}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def history(book: Book, leaf: Leaf) -> list[dict[str, Any]]:
    """What was refused of the leaf's unit, oldest first: place, version, code and what became of it."""
    found = []
    for case in sorted(book.cases.values(), key=lambda case: (case.appended_at, case.at)):
        report = case.report
        if report is not None and (report.contest, report.unit, report.count_group) == (
            leaf.plan.id,
            leaf.unit,
            leaf.group,
        ):
            found.append(
                {
                    "at": str(case.at),
                    "version": report.version,
                    "reason": str(case.code),
                    "detail": case.detail,
                    "state": str(book.state(case)),
                }
            )
    return found
