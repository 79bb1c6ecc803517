"""Shares, names and bars as a terminal shows them. A rounded share never reads as a line that it does not reach."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from rich.text import Text

from tallyroom.results.areas import share

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def shown_name(names: Mapping[str, str] | None, language: str, otherwise: str) -> str:
    """A name in the language, else in English, else in any."""
    known = names or {}
    return known.get(language) or known.get("en") or next(iter(known.values()), otherwise)


def percent(text: str | None, lines: tuple[Fraction, ...] = ()) -> str:
    """A decimal share as per cent with two digits, e.g. ``53.90 %``; a dash for none."""
    if text is None:
        return "–"
    exact = Fraction(text)
    rounded = share(exact.numerator, exact.denominator, lines, digits=4) or "0.0000"
    whole, digits = rounded.split(".")
    return f"{int(whole + digits[:2])}.{digits[2:]} %"


def bar(part: float, width: int, colour: str | None) -> Text:
    """A bar of ``part`` (0 to 1) of the width in characters, drawn in eighths of one."""
    eighths = round(max(0.0, min(1.0, part)) * width * 8)
    full, rest = divmod(eighths, 8)
    return Text("█" * full + (_EIGHTHS[rest] if rest else ""), style=colour or "white")


def swatch(colour: str | None) -> Text:
    """A square of the selection's colour."""
    return Text("■ ", style=colour or "white")


def between(low: Any, high: Any) -> str:
    """A range, or the one number that it is."""
    return str(low) if low == high else f"{low}–{high}"
