"""O: the most ballots that may still come into the totals, per voter pool and at two levels, or None: no hard bound."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """What is known of a voter pool (the smallest set of units that its voters cannot leave), in ballots and voters.

    ``in_totals`` K: ballots already in the totals; those of held, annulled and quarantined reports are not.
    ``open_units``: units neither complete nor closed; held units are open.
    ``open_room``: sum over the open units of `unit_room`, and U for those without a roll together; None where that is not known.
    ``registered`` C, ``may_be_added`` G, ``may_vote_away`` W: as `tallyroom.domain.election.VoterPool` names them.
    ``issued``: ballots that the authority declared as issued (or received) in the pool.

    For an area inside the pool give the area's ``open_units`` and ``open_room`` and the pool's other figures.
    """

    in_totals: int
    open_units: int
    open_room: int | None = None
    registered: int | None = None
    may_be_added: int | None = None
    may_vote_away: int | None = None
    issued: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """O at the levels ``register`` and ``issued``; None: no hard bound, so nothing is decided at that level.

    ``contradicted``: levels of whose cap more ballots are in the totals than it allows. Such a cap is no evidence.
    """

    register: int | None
    issued: int | None
    contradicted: tuple[str, ...] = ()


NOTHING = Outstanding(register=0, issued=0)
UNKNOWN = Outstanding(register=None, issued=None)


def unit_room(registered: int | None, in_totals: int) -> int | None:
    """max(0, R_u - K_u): voters on the roll of an open unit without a ballot in the totals. None: the roll is unknown."""
    return None if registered is None else max(0, registered - in_totals)


def outstanding(pool: PoolFigures) -> Outstanding:
    """O_P = min(C + G - K, sum of the room of open units + G + W) while any unit is open, else 0.

    Sound because a voter casts one ballot: no more than C + G can ever be in, of which K are. And a unit ends with at most
    R_u + g_u + w_u ballots, where the g_u are voters added (at most G in all) and the w_u ballots from other rolls (at most W);
    units that are not open bring nothing. The level ``issued`` puts the ballots issued in the place of C.

    A term with an unknown member is dropped; without a term there is no bound. A cap below what is already in (a bulletin
    older than the counts, voters from outside) proves itself wrong and gives no bound either; a wrong ``registered`` discredits
    the G in the room term and the rolls it sums, so that the level has none at all.
    """
    if not pool.open_units:
        return NOTHING
    by_register = _cap(pool.registered, pool)
    by_issue = _cap(pool.issued, pool)
    if by_register is not None and by_register < 0:
        wrong = ("register", "issued") if by_issue is not None and by_issue < 0 else ("register",)
        return Outstanding(register=None, issued=None, contradicted=wrong)
    room = _room(pool)
    register = _least(by_register, room)
    if by_issue is not None and by_issue < 0:
        return Outstanding(register=register, issued=None, contradicted=("issued",))
    return Outstanding(register=register, issued=_least(by_issue, register))


def together(pools: Iterable[Outstanding]) -> Outstanding:
    """O of several pools: the sum per level; one pool without a bound leaves none."""
    parts = tuple(pools)
    return Outstanding(
        register=_sum(part.register for part in parts),
        issued=_sum(part.issued for part in parts),
        contradicted=tuple(dict.fromkeys(level for part in parts for level in part.contradicted)),
    )


def _cap(voters: int | None, pool: PoolFigures) -> int | None:
    if voters is None or pool.may_be_added is None:
        return None
    return voters + pool.may_be_added - pool.in_totals


def _room(pool: PoolFigures) -> int | None:
    if pool.open_room is None or pool.may_be_added is None or pool.may_vote_away is None:
        return None
    return pool.open_room + pool.may_be_added + pool.may_vote_away


def _least(*terms: int | None) -> int | None:
    return min((term for term in terms if term is not None), default=None)


def _sum(terms: Iterable[int | None]) -> int | None:
    total = 0
    for term in terms:
        if term is None:
            return None
        total += term
    return total
