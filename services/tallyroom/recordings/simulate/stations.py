"""The simulated polling stations: how many a region has, their rolls, districts and hours. Published are the sums."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from tallyroom.recordings.simulate.facts import District, Facts, Region
from tallyroom.recordings.simulate.figures import apportion

CAPITAL: Final = "KZ-71"
"""The stations abroad are placed in its area: no area of their own was published."""
_ROLL_LIMIT: Final = 3_000
"""Most voters of one precinct: the election law's limit (from memory)."""
_MIDNIGHT: Final = datetime(2023, 3, 19, tzinfo=UTC)
_OPENS, _CLOSES = 7, 20  # local hours
_RURAL_OF_100: Final = 60
"""Assumed share of small stations outside the three cities."""
_OVERSEAS_OFFSETS: Final = ((9, 4), (8, 9), (7, 5), (5, 6), (4, 7), (3, 17), (2, 10), (1, 13), (0, 2), (-4, 4))
_LAST_OFFSET: Final = -7
"""Assumed (hours from UTC, weight) of the stations abroad; the countries behind them are not in the facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A simulated polling station. ``registered`` None: abroad, on Astana's area and without a roll of its own."""

    id: str
    number: int
    region: str
    district: int | None
    registered: int | None
    rural: bool
    time_zone: str | None
    opens_at: datetime
    closes_at: datetime
    labels: tuple[str, ...] = ("simulated",)

    @property
    def overseas(self) -> bool:
        """Whether it is abroad."""
        return self.district is None


def stations(facts: Facts, rng: Random) -> tuple[Station, ...]:
    """All stations by region, those abroad last."""
    known = {region.id: region.stations for region in facts.regions if region.stations is not None}
    open_regions = [region for region in facts.regions if region.id not in known]
    domestic = facts.stations.total - facts.stations.overseas
    shared = apportion(domestic - sum(known.values()), [region.registered for region in open_regions])
    count = known | {region.id: number for region, number in zip(open_regions, shared, strict=True)}
    districts = {district.no: district for district in facts.districts}
    drawn: list[Station] = []
    for region in facts.regions:
        drawn += _region(region, [districts[no] for no in region.districts], count[region.id], rng)
    return (*drawn, *_overseas(facts, rng))


def _region(region: Region, districts: list[District], count: int, rng: Random) -> Iterator[Station]:
    """The region's stations, district after district."""
    electorates = _electorates(region, districts)
    opens_at, closes_at = _hours(region.utc_offset_hours)
    number = 0
    for district, electorate, stations_here in zip(districts, electorates, apportion(count, electorates), strict=True):
        rural = [not region.city and rng.randrange(100) < _RURAL_OF_100 for _ in range(stations_here)]
        sizes = [_rural_size(rng) if small else rng.randrange(900, 2_200) for small in rural]
        for small, registered in zip(rural, apportion(electorate, sizes, [_ROLL_LIMIT] * stations_here), strict=True):
            number += 1
            yield Station(
                id=f"SIM-{region.id}-{number:04}",
                number=number,
                region=region.id,
                district=district.no,
                registered=registered,
                rural=small,
                time_zone=region.time_zone,
                opens_at=opens_at,
                closes_at=closes_at,
            )


def _electorates(region: Region, districts: list[District]) -> list[int]:
    """Voters of each district: as known (they sum to the region's), else as even as can be."""
    known = [district.electorate for district in districts if district.electorate is not None]
    if len(known) == len(districts) and sum(known) == region.registered:
        return known
    return apportion(region.registered, [1] * len(districts))


def _rural_size(rng: Random) -> int:
    """The smaller of two draws: many hamlets, few large villages."""
    return min(rng.randrange(70, 1_400), rng.randrange(70, 1_400))


def _hours(offset: int) -> tuple[datetime, datetime]:
    """Opening and closing at 07:00 and 20:00 local time on 19 March, in UTC."""
    return _MIDNIGHT + timedelta(hours=_OPENS - offset), _MIDNIGHT + timedelta(hours=_CLOSES - offset)


def _overseas(facts: Facts, rng: Random) -> Iterator[Station]:
    """The stations abroad, the last one to close at the end."""
    offsets, weights = zip(*_OVERSEAS_OFFSETS, strict=True)
    drawn = sorted(rng.choices(offsets, weights, k=facts.stations.overseas - 1), reverse=True)
    for number, offset in enumerate((*drawn, _LAST_OFFSET), 1):
        opens_at, closes_at = _hours(offset)
        last = number == facts.stations.overseas
        yield Station(
            id=f"SIM-{CAPITAL}-A{number:03}",
            number=number,
            region=CAPITAL,
            district=None,
            registered=None,
            rural=False,
            time_zone=None,
            opens_at=opens_at,
            closes_at=min(closes_at, facts.last_overseas.at.astimezone(UTC)) if last else closes_at,
            labels=("simulated", "abroad", *(("last-to-close",) if last else ())),
        )
