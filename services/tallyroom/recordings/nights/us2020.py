"""US presidential election 2020 by state, as a newspaper published it from the morning after the night on."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from tallyroom.codec.events import PartsIn
from tallyroom.domain.election import (
    Accounting,
    Area,
    Body,
    Contest,
    Definition,
    Environment,
    Identity,
    Majority,
    ReportingUnit,
    Role,
    Rule,
    Selection,
    Source,
)
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.format import About, Manifest
from tallyroom.recordings.nights.common import Archive, Night, Sheet, moment

ELECTION: Final = "us-2020-president"
SOURCE: Final = "nyt"
_NOTES: Final = (
    "Replay of the count of November 2020 to January 2021: counts and times are real, nothing is being counted now.",
    "Published by a newspaper as it came in, without registered voters, valid or invalid ballots; not certified.",
    "Selection `other` is made here: the total of a state less both candidates. It was never negative.",
    "Parts are precincts, and one part more that stands for ballots that come after them: when all precincts of Alaska had "
    "reported, 168,560 ballots followed, in Mississippi 72,162. The source never says that the last one is in, so every state "
    "stays partial. Where it had more precincts reporting than there are, all count as reported.",
    "Without a register and without an end nothing bounds what is outstanding: no state is ever decided here.",
    "A version is a correction if any of its figures is lower than before.",
    "The newspaper's estimate of votes remaining stands in ext.votes_remaining_estimate; it is negative in places.",
    "A state's winner takes its electors. Maine and Nebraska give two to the winner of the state and one to that of each "
    "congressional district; the source has no figures by district, so these five of the 538 are given to nobody: Biden 304, "
    "Trump 229 at the end, and not 306 and 232.",
)
ELECTORS: Final = 538
MAJORITY: Final = 270
BY_DISTRICT: Final = {"maine": 2, "nebraska": 3}
"""Electors of a state that the winners of its congressional districts take; those are not in the source."""
_LAW: Final = "U.S. Const. art. II, sec. 1, and the election code of each state (plurality of the state's votes)"

Row = dict[str, str]


def convert(archive: Archive, out: Path) -> Manifest:
    """Write the recording into ``out``."""
    night = Night(ELECTION, SOURCE)
    current: dict[str, dict[str, int]] = {}
    names: dict[str, str] = {}
    for rows in _updates(archive):
        state = rows[0]["area_id"]
        names.setdefault(state, rows[0]["area_name"])
        current.setdefault(state, {}).update((row["option"], int(row["votes"])) for row in rows)
        night.add(moment(rows[0]["observed_at"]), _sheet(current[state], rows[-1], night))
    return night.write(out, _definition(archive, names), _about(archive, night.expect))


def contest_of(state: str) -> str:
    """Contest id of a state's election."""
    return f"president-{state}"


def _updates(archive: Archive) -> Iterator[list[Row]]:
    """The changed values of one state at one time."""
    for _, rows in groupby(archive.rows("events.csv.gz"), key=lambda row: (row["observed_at"], row["area_id"])):
        yield list(rows)


def _sheet(votes: Mapping[str, int], row: Row, night: Night) -> Sheet:
    """The state's row. Raises RecordingError if both candidates have more votes than all together."""
    state, other = row["area_id"], votes["all"] - votes["Biden"] - votes["Trump"]
    if other < 0:
        raise RecordingError(
            f"{state} at {row['observed_at']}: both candidates have {-other} votes more than the total.",
            "take the archive that the importer was made for",
        )
    counts = {"biden": votes["Biden"], "trump": votes["Trump"], "other": other}
    ballots = {"cast": votes["all"]}
    before = night.newest(contest_of(state), state)
    figures = {**counts, **ballots}
    fell = before is not None and any(figures[name] < value for name, value in before.figures.items())
    expected = int(row["precincts_total"])
    return Sheet(
        contest=contest_of(state),
        unit=state,
        counts=counts,
        ballots=ballots,
        kind="correction" if fell else "counted",
        parts=PartsIn(min(int(row["precincts_reporting"]), expected), expected + 1),
        ext={"votes_remaining_estimate": int(row["votes_remaining_estimate"])}
        if row["votes_remaining_estimate"]
        else {},
    )


def _definition(archive: Archive, names: Mapping[str, str]) -> Definition:
    electors = archive.manifest["electoral_votes"]
    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"en": "Presidential election 2020, United States"},
        date=date(2020, 11, 3),
        time_zones=("America/New_York",),
        languages=("en",),
        sources=(Source(id=SOURCE, names={"en": "The New York Times"}, may_report=("report",)),),
        areas=tuple(
            Area(id=state, level="state", names={"en": name}, codes={"electors": str(electors[name])})
            for state, name in sorted(names.items())
        ),
        units=tuple(ReportingUnit(id=state, names={"en": name}) for state, name in sorted(names.items())),
        contests=tuple(_contest(state, name) for state, name in sorted(names.items())),
        bodies=(_college({state: electors[name] for state, name in sorted(names.items())}),),
        attribution={"en": _attribution(archive)},
        notes={"en": " ".join(_NOTES)},
    )


def _college(electors: Mapping[str, int]) -> Body:
    """The electoral college; ``electors``: of each state."""
    return Body(
        id="electoral-college",
        names={"en": "Electoral College"},
        seats=ELECTORS,
        contests=tuple(contest_of(state) for state in electors),
        majorities=(Majority(seats=MAJORITY, names={"en": "Majority of the electors"}),),
        parties={"biden": "democratic", "trump": "republican"},
        party_names={"democratic": {"en": "Democratic"}, "republican": {"en": "Republican"}},
        weights={contest_of(state): number - BY_DISTRICT.get(state, 0) for state, number in electors.items()},
    )


def _contest(state: str, name: str) -> Contest:
    return Contest(
        id=contest_of(state),
        names={"en": f"President, {name}"},
        selections=(
            Selection(id="biden", names={"en": "Joe Biden"}, role=Role.CANDIDATE, party="democratic", colour="#1f6fc0"),
            Selection(
                id="trump", names={"en": "Donald Trump"}, role=Role.CANDIDATE, party="republican", colour="#c8322b"
            ),
            Selection(id="other", names={"en": "All others"}, role=Role.OTHER, colour="#8a8a8a", labels=("synthetic",)),
        ),
        accounting=Accounting(
            measures=("cast",),
            cast="cast",
            identities=(Identity(total="cast", parts=("selections",)),),
            labels={"cast": {"en": "votes counted for anyone; ballots without a valid vote are not in the source"}},
        ),
        areas={state: None},
        units={state: state},
        source=SOURCE,
        rule=Rule(method="plurality", seats=1, law=_LAW, certainty="law cited from memory"),
        labels=("electors-by-district-left-out",) if state in BY_DISTRICT else (),
    )


def _attribution(archive: Archive) -> str:
    repositories = ", ".join(source["repo"] for source in archive.manifest["source"][:1])
    return f"The New York Times; archived by {repositories}"


def _about(archive: Archive, expect: Mapping[str, Any]) -> About:
    return About(
        name="us-2020-president",
        title="US presidential election 2020, by state",
        real=True,
        licence=archive.manifest["source"][0]["licence"],
        source=archive.origin,
        attribution=_attribution(archive),
        notes=_NOTES,
        expect=expect,
    )
