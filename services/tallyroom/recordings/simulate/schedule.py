"""When each station's reports arrive. All of this is assumed: official results came only a day later.

A station counts for half an hour and about four seconds a voter, so that small ones report first; one in eight is
delayed by up to four hours, the cities by up to two more, and the stations abroad report from half past one on.
"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from tallyroom.recordings.simulate.stations import Station

END: Final = datetime(2023, 3, 20, 3, tzinfo=UTC)
"""09:00 in Astana: every report of the night is in."""
_ABROAD_FROM: Final = datetime(2023, 3, 19, 19, 30, tzinfo=UTC)
_FIRST: Final = 1_200
_SECONDS_A_VOTER: Final = 4
_TAIL_OF_100: Final = 12
_HOUR: Final = 3_600


def arrivals(station: Station, city: bool, rng: Random) -> tuple[datetime, datetime | None]:
    """Arrival of the list report and, for stations at home, of the district report."""
    if station.overseas:
        return _abroad(station, rng), None
    seconds = _FIRST + rng.randrange(1_800) + (station.registered or 0) * _SECONDS_A_VOTER
    if not station.rural:
        seconds += rng.randrange(_HOUR * 3 // 2)
    if rng.randrange(100) < _TAIL_OF_100:
        seconds += rng.randrange(4 * _HOUR)
    if city:
        seconds += rng.randrange(2 * _HOUR)
    at = station.closes_at + timedelta(seconds=seconds)
    return at, at + timedelta(seconds=rng.randrange(180, 2_400))


def _abroad(station: Station, rng: Random) -> datetime:
    """After closing and not before half past one; the last one to close ends the night."""
    if "last-to-close" in station.labels:
        return station.closes_at + timedelta(minutes=9)
    return max(_ABROAD_FROM, station.closes_at) + timedelta(seconds=rng.randrange(_HOUR // 2, 2 * _HOUR))
