"""The published figures of the built-in night, each with its certainty and sources: ``kz2023.facts.json``."""

from datetime import datetime
from importlib.resources import files
from typing import Final

import msgspec

FACTS: Final = "kz2023.facts.json"
INDEPENDENT: Final = "INDEPENDENT"
"""Under this party id the seats of self-nominated candidates are added."""
AGAINST_ALL: Final = "AGAINST_ALL"

Names = dict[str, str]


class _Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Figures with how they are known."""


class National(_Fact, frozen=True, kw_only=True):
    """The whole country. ``issued``: ballots issued by 22:10, the only count of participation that was published."""

    registered: int
    issued: int
    valid: int
    seats: int
    list_seats: int
    districts: int
    certainty: str
    sources: tuple[str, ...]


class Stations(_Fact, frozen=True, kw_only=True):
    """Polling stations in all, and those abroad."""

    total: int
    overseas: int
    overseas_countries: int
    certainty: str
    sources: tuple[str, ...]


class Roll(_Fact, frozen=True, kw_only=True):
    """The voter list at opening and at closing, and the certificates to vote elsewhere."""

    opening: int
    closing: int
    certificates: int
    certainty: str
    sources: tuple[str, ...]


class Seats(_Fact, frozen=True, kw_only=True):
    """Seats as declared on 27 March, of the list contest and of the house, and those said on 20 March."""

    list: dict[str, int]
    house: dict[str, int]
    preliminary_house: dict[str, int]
    certainty: str
    sources: tuple[str, ...]


class Acts(_Fact, frozen=True, kw_only=True):
    """When the commission declared its results."""

    preliminary_at: datetime
    preliminary_house_at: datetime
    final_at: datetime
    certainty: str
    sources: tuple[str, ...]


class LastOverseas(_Fact, frozen=True, kw_only=True):
    """The last station to close."""

    place: str
    at: datetime
    certainty: str
    sources: tuple[str, ...]


class Party(_Fact, frozen=True, kw_only=True):
    """A choice on the list ballot with its national votes."""

    id: str
    names: Names
    abbreviations: Names
    colour: str
    colour_certainty: str
    votes: int
    list_seats: int


class Region(_Fact, frozen=True, kw_only=True):
    """A region or one of the three cities. ``registered`` and ``issued`` sum to the country's."""

    id: str
    names: Names
    time_zone: str
    utc_offset_hours: int
    city: bool
    districts: tuple[int, ...]
    registered: int
    registered_certainty: str
    registered_sources: tuple[str, ...]
    issued: int
    issued_certainty: str
    stations: int | None
    stations_sources: tuple[str, ...]


class Bulletin(_Fact, frozen=True, kw_only=True):
    """A turnout bulletin: shares of the voter list that received ballots, as published, and counts where given."""

    as_of: datetime
    turnout: str
    issued: int | None
    registered: int | None
    regions: dict[str, str]
    certainty: str
    sources: tuple[str, ...]


class ExitPoll(_Fact, frozen=True, kw_only=True):
    """An exit poll of the list contest."""

    id: str
    names: Names
    release_at: datetime
    release_note: str
    turnout: str
    places: int | None
    sample: int | None
    margin: str | None
    shares: dict[str, str]
    certainty: str
    sources: tuple[str, ...]


class District(_Fact, frozen=True, kw_only=True):
    """A single-mandate district. ``winner`` None: not known by name, and then ``party`` is a deduction."""

    no: int
    region: str
    party: str
    winner: Names | None
    winner_certainty: str
    electorate: int | None
    electorate_certainty: str | None
    sources: tuple[str, ...]


class Facts(_Fact, frozen=True, kw_only=True):
    """Everything the simulation must hit, or starts from."""

    about: str
    national: National
    stations: Stations
    roll: Roll
    seats: Seats
    acts: Acts
    last_overseas: LastOverseas
    parties: tuple[Party, ...]
    regions: tuple[Region, ...]
    bulletins: tuple[Bulletin, ...]
    exit_polls: tuple[ExitPoll, ...]
    districts: tuple[District, ...]


def kz2023_facts() -> Facts:
    """Read the figures from the package."""
    data = files(__package__).joinpath(FACTS).read_bytes()
    return msgspec.json.decode(data, type=Facts)
