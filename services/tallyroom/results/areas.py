"""One area of one contest as readers see it: counts, shares with their denominator, turnout, completeness and status."""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from tallyroom.domain.election import Rule
from tallyroom.results.register import Expectation
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.rows import COUNTERS, Column, Row

SHARE_DIGITS: Final = 6
_HALF: Final = Fraction(1, 2)


class Status(StrEnum):
    """NIST SP 1500-100 ResultsStatus. Counts alone reach the first three; declarations the others (`results.standing`)."""

    PRE_ELECTION = "pre-election"
    UNOFFICIAL_PARTIAL = "unofficial-partial"
    UNOFFICIAL_COMPLETE = "unofficial-complete"
    CERTIFIED = "certified"
    CORRECTION = "correction"
    RECOUNT = "recount"
    SUSPENDED = "suspended"
    ANNULLED = "annulled"
    UNCONTESTED = "uncontested"
    POSTPONED = "postponed"


def share(part: int, whole: int, lines: Sequence[Fraction] = (), digits: int = SHARE_DIGITS) -> str | None:
    """part / whole as a decimal string, rounded to the nearest, but never across one of the ``lines`` (or across 1).

    Lines are the thresholds and majorities of the contest: 4.9999999 % must not read as 5 %, nor 99.99999 % as all.
    None where there is no denominator: nothing counted is not 0 %.
    """
    return decimal(scaled(part, whole, lines, digits), digits)


def scaled(part: int, whole: int, lines: Sequence[Fraction] = (), digits: int = SHARE_DIGITS) -> int | None:
    """The share as `share` shows it, as a whole number of its last digits: millionths."""
    if whole <= 0:
        return None
    scale: int = 10**digits
    shown, rest = divmod(part * scale, whole)
    if (
        2 * rest >= whole
    ):  # only what is rounded up can cross: a share that was cut off is on the right side of every line
        shown += not _crossed(part, whole, shown + 1, scale, lines)
    return shown


def decimal(shown: int | None, digits: int = SHARE_DIGITS) -> str | None:
    """A scaled share as a decimal string."""
    if shown is None:
        return None
    scale: int = 10**digits
    return f"{shown // scale}.{shown % scale:0{digits}d}"


def _crossed(part: int, whole: int, shown: int, scale: int, lines: Sequence[Fraction]) -> bool:
    """Whether the exact share is below one of the lines, or below 1, and the one to be shown is not."""
    if part < whole and shown >= scale:
        return True
    for line in lines:
        above, below = line.numerator, line.denominator
        if part * below < above * whole and shown * below >= above * scale:
            return True
    return False


def lines_of(rule: Rule | None) -> tuple[Fraction, ...]:
    """Shares that decide something in the contest: thresholds, conditions, and the absolute majority."""
    if rule is None:
        return (_HALF,)
    thresholds = list(rule.thresholds)
    for threshold in thresholds:  # grows while it is read: alternatives may have alternatives
        thresholds += threshold.alternatives
    conditions = [condition.share for condition in rule.conditions if condition.share is not None]
    return (*dict.fromkeys([_HALF, *(Fraction(item.share) for item in thresholds), *map(Fraction, conditions)]),)


def status(row: Row, expected: int) -> Status:
    """Complete needs every expected unit complete or closed and nothing held: then nothing is outstanding."""
    apart = row[Column.ANNULLED] + row[Column.NOT_OPENED] + row[Column.CANCELLED]
    reported = row[Column.COMPLETE] + apart
    if reported >= expected and (expected or any(row[COUNTERS:])) and not row[Column.PARTIAL] and not row[Column.HELD]:
        return Status.UNOFFICIAL_COMPLETE
    if reported or row[Column.PARTIAL] or row[Column.HELD]:
        return Status.UNOFFICIAL_PARTIAL
    return Status.PRE_ELECTION


def denominator(contest: ContestPlan, row: Row) -> int:
    """What shares are shares of, in votes or ballots, as the contest's accounting names it."""
    return contest.denominator(row)


def leading(contest: ContestPlan, row: Row) -> dict[str, Any] | None:
    """Who leads and by how many votes; several names are a tie. Only standing parties and candidates can lead."""
    standing = [(row[column], name) for column, name in contest.standing]
    ordered = sorted((votes for votes, _ in standing), reverse=True)
    if not ordered or ordered[0] == 0:
        return None
    first = [name for votes, name in standing if votes == ordered[0]]
    margin = 0 if len(first) > 1 else ordered[0] - (ordered[1] if len(ordered) > 1 else 0)
    return {"selections": first, "margin": margin}


def area_document(
    contest: ContestPlan, area: str, level: str, row: Row, expected: Expectation, lines: Sequence[Fraction]
) -> dict[str, Any]:
    """The area as it stands in the snapshot; ``lines`` as `lines_of` gives them. docs/http.md explains every field."""
    accounting = contest.contest.accounting
    counts = dict(zip(contest.selections, row[COUNTERS + len(contest.measures) :], strict=True))
    ballots = dict(zip(contest.measures, row[COUNTERS : COUNTERS + len(contest.measures)], strict=True))
    base = denominator(contest, row)
    cast = ballots.get(accounting.cast) if accounting.cast else None
    known = expected.registered + row[Column.REGISTERED_CHANGE]
    registered = known if known or not expected.without_register else None
    return {
        "area": area,
        "level": level,
        "status": status(row, expected.units),
        "units_reported": row[Column.COMPLETE],
        "units_expected": expected.units,
        "units_partial": row[Column.PARTIAL],
        "units_held": row[Column.HELD],
        "units_annulled": row[Column.ANNULLED],
        "units_not_opened": row[Column.NOT_OPENED],
        "units_cancelled": row[Column.CANCELLED],
        "units_without_register": expected.without_register,
        "voters_registered": registered,
        "voters_registered_reported": row[Column.REGISTERED_COMPLETE] + row[Column.REGISTERED_PARTIAL],
        "voters_registered_held": row[Column.REGISTERED_HELD],
        "ballots_cast": cast,
        "ballots_cast_held": row[Column.CAST_HELD],
        "ballots_cast_annulled": row[Column.CAST_ANNULLED],
        "ballots": ballots,
        "turnout_reported": _turnout(row, cast),
        "counts": counts,
        "shares": {name: share(votes, base, lines) for name, votes in counts.items()},
        "share_denominator": {"of": "+".join(accounting.share_base), "value": base},
        "leading": leading(contest, row),
    }


def _turnout(row: Row, cast: int | None) -> str | None:
    """Ballots cast by the registered voters of the units in the totals; None where nothing is known of one of the two.

    Ballots of units without a register of their own are in it, as authorities count them; how many such units there are
    stands beside it (``units_without_register``).
    """
    registered = row[Column.REGISTERED_COMPLETE] + row[Column.REGISTERED_PARTIAL]
    return None if cast is None else share(cast, registered)
