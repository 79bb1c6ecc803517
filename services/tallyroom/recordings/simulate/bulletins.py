"""What the night holds besides reports: turnout bulletins, exit polls, declarations, declared totals; as published."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from tallyroom.codec.events import AnyEvent, Control, Declaration, Estimate, Participation
from tallyroom.recordings.simulate.candidates import Candidate
from tallyroom.recordings.simulate.definition import (
    COMMISSION,
    COUNTRY,
    ELECTION,
    HOUSE,
    LIST,
    district_area,
    district_id,
)
from tallyroom.recordings.simulate.facts import Facts

_AHEAD: Final = timedelta(minutes=4)
"""Exit polls are delivered under embargo, this long before their release (assumed)."""
_SIMULATION: Final = "simulation"


def asides(facts: Facts, ballots: Mapping[int, Sequence[Candidate]]) -> Iterator[tuple[datetime, AnyEvent]]:
    """Every event that is no report, with its time of arrival, in no particular order."""
    for number, _ in enumerate(facts.bulletins, 1):
        yield from _bulletin(facts, number)
    yield from _exit_polls(facts)
    yield from _preliminary(facts)
    yield from _final(facts, ballots)


def _bulletin(facts: Facts, number: int) -> Iterator[tuple[datetime, AnyEvent]]:
    """One bulletin: the country, then its regions. Version: its number on the day."""
    bulletin = facts.bulletins[number - 1]
    at = bulletin.as_of.astimezone(UTC)
    for area, turnout in ((COUNTRY, bulletin.turnout), *bulletin.regions.items()):
        national = area == COUNTRY
        yield (
            at,
            Participation(
                id=f"turnout-{number}-{area}",
                election=ELECTION,
                environment=_SIMULATION,
                source=COMMISSION,
                reported_at=at,
                measure="issued",
                as_of=at,
                area=area,
                ballots=bulletin.issued if national else None,
                registered=bulletin.registered if national else None,
                turnout=turnout,
                version=number,
            ),
        )


def _exit_polls(facts: Facts) -> Iterator[tuple[datetime, AnyEvent]]:
    for poll in facts.exit_polls:
        release_at = poll.release_at.astimezone(UTC)
        at = release_at - _AHEAD
        yield (
            at,
            Estimate(
                id=f"exit-poll-{poll.id}",
                election=ELECTION,
                environment=_SIMULATION,
                source=poll.id,
                reported_at=at,
                pollster=poll.id,
                names=poll.names,
                method="exit_poll",
                contest=LIST,
                release_at=release_at,
                shares=poll.shares,
                turnout=poll.turnout,
                sample=poll.sample,
                places=poll.places,
                margin=poll.margin,
            ),
        )


def _control(facts: Facts, at: datetime, version: int) -> Control:
    """The national votes of the parties as the commission declared them; the same on both days."""
    return Control(
        id=f"control-list-{version}",
        election=ELECTION,
        environment=_SIMULATION,
        source=COMMISSION,
        reported_at=at,
        contest=LIST,
        area=COUNTRY,
        counts={party.id: party.votes for party in facts.parties},
        ballots={"valid": facts.national.valid},
        registered=facts.national.registered,
        version=version,
    )


def _preliminary(facts: Facts) -> Iterator[tuple[datetime, AnyEvent]]:
    at, house_at = (t.astimezone(UTC) for t in (facts.acts.preliminary_at, facts.acts.preliminary_house_at))
    yield at, _control(facts, at, 1)
    text = {"kk": "Алдын ала қорытынды", "ru": "Предварительные итоги", "en": "Preliminary result"}
    yield (
        at,
        Declaration(
            id="result-list-preliminary",
            election=ELECTION,
            environment=_SIMULATION,
            source=COMMISSION,
            reported_at=at,
            act="result",
            contest=LIST,
            area=COUNTRY,
            text=text,
        ),
    )
    yield (
        house_at,
        Declaration(
            id="seats-house-preliminary",
            election=ELECTION,
            environment=_SIMULATION,
            source=COMMISSION,
            reported_at=house_at,
            act="seats",
            body=HOUSE,
            seats=facts.seats.preliminary_house,
            text=text,
        ),
    )


def _final(facts: Facts, ballots: Mapping[int, Sequence[Candidate]]) -> Iterator[tuple[datetime, AnyEvent]]:
    """27 March: certification of the list and of every district, and the seats of the house."""
    at = facts.acts.final_at.astimezone(UTC)
    yield at, _control(facts, at, 2)
    yield (
        at,
        Declaration(
            id="certification-list",
            election=ELECTION,
            environment=_SIMULATION,
            source=COMMISSION,
            reported_at=at,
            act="certification",
            final=True,
            contest=LIST,
            area=COUNTRY,
            seats=facts.seats.list,
        ),
    )
    for district in facts.districts:
        winner = next(candidate.selection.id for candidate in ballots[district.no] if candidate.wins)
        yield (
            at,
            Declaration(
                id=f"certification-{district_id(district.no)}",
                election=ELECTION,
                environment=_SIMULATION,
                source=COMMISSION,
                reported_at=at,
                act="certification",
                final=True,
                contest=district_id(district.no),
                area=district_area(district.no),
                winner=winner,
                ext={"winner_certainty": district.winner_certainty},
            ),
        )
    yield (
        at,
        Declaration(
            id="seats-house-final",
            election=ELECTION,
            environment=_SIMULATION,
            source=COMMISSION,
            reported_at=at,
            act="seats",
            final=True,
            body=HOUSE,
            seats=facts.seats.house,
        ),
    )
