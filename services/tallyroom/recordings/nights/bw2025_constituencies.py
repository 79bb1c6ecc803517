"""The 38 constituencies of the 2025 night in Baden-Württemberg, and which municipality lies in which.

The source has counts by municipality and counts by constituency, and does not say which belong together. The assignment was
derived from its figures: with every municipality in one of the constituencies that its district reaches into, exactly one
assignment makes the sums of every figure equal in each constituency, in the file of the night and in that of 13 March alike.
`tallyroom.recordings.nights.bw2025` adds them up again whenever it makes the recording.
"""

from collections.abc import Mapping
from typing import Final

STUTTGART: Final = "08111000"
"""One municipality in two constituencies: its figures by constituency are the constituencies' own."""
SPLIT: Final = {"258": f"{STUTTGART}-258", "259": f"{STUTTGART}-259"}
"""Constituency -> the unit that stands for its part of Stuttgart."""

CONSTITUENCIES: Final[Mapping[str, str]] = {
    "258": "Stuttgart I",
    "259": "Stuttgart II",
    "260": "Böblingen",
    "261": "Esslingen",
    "262": "Nürtingen",
    "263": "Göppingen",
    "264": "Waiblingen",
    "265": "Ludwigsburg",
    "266": "Neckar-Zaber",
    "267": "Heilbronn",
    "268": "Schwäbisch Hall-Hohenlohe",
    "269": "Backnang-Schwäbisch Gmünd",
    "270": "Aalen-Heidenheim",
    "271": "Karlsruhe-Stadt",
    "272": "Karlsruhe-Land",
    "273": "Rastatt",
    "274": "Heidelberg",
    "275": "Mannheim",
    "276": "Odenwald-Tauber",
    "277": "Rhein-Neckar",
    "278": "Bruchsal-Schwetzingen",
    "279": "Pforzheim",
    "280": "Calw",
    "281": "Freiburg",
    "282": "Lörrach-Müllheim",
    "283": "Emmendingen-Lahr",
    "284": "Offenburg",
    "285": "Rottweil-Tuttlingen",
    "286": "Schwarzwald-Baar",
    "287": "Konstanz",
    "288": "Waldshut",
    "289": "Reutlingen",
    "290": "Tübingen",
    "291": "Ulm",
    "292": "Biberach",
    "293": "Bodensee",
    "294": "Ravensburg",
    "295": "Zollernalb-Sigmaringen",
}
"""Official number -> name."""

_DISTRICTS: Final = {
    "260": "08115",
    "262": "08116",
    "263": "08117",
    "264": "08119",
    "266": "08118",
    "267": "08121 08125",
    "268": "08126 08127",
    "269": "08136",
    "270": "08135",
    "271": "08212",
    "272": "08215",
    "273": "08211 08216",
    "274": "08221",
    "275": "08222",
    "276": "08128 08225",
    "277": "08226",
    "279": "08231 08236",
    "280": "08235 08237",
    "281": "08311 08315",
    "282": "08336",
    "283": "08316",
    "284": "08317",
    "285": "08325 08327",
    "286": "08326",
    "287": "08335",
    "288": "08337",
    "289": "08415",
    "290": "08416",
    "291": "08421 08425",
    "292": "08426",
    "293": "08435",
    "294": "08436",
    "295": "08417 08437",
}
"""Constituency -> districts (Kreise) whose municipalities lie in it, but for those named below."""

_MUNICIPALITIES: Final = (
    ("261", "08116", "004 007 014 015 019 027 035 037 047 056 058 071 072 076 080"),
    ("262", "08115", "046 048"),
    ("265", "08115", "052"),
    ("265", "08118", "003 011 012 019 027 046 048 050 051 059 067 068 073 080 081"),
    ("266", "08125", "001 008 013 017 030 038 046 056 058 066 074 081 094 098 108"),
    ("269", "08119", "003 004 006 008 018 024 038 044 053 069 075 083 087"),
    ("270", "08136", "003 010 018 019 021 033 035 037 038 045 046 050 060 068 071 075 082 084 087 088 089"),
    ("274", "08226", "012 018 028 031 036 038 040 082 096 105 107"),
    ("278", "08215", "009 021 029 039 064 066 084 100 103 106 107"),
    ("278", "08226", "003 009 032 037 059 062 063 068 084"),
    ("282", "08315", "004 006 007 008 022 033 048 050 074 076 108 111 130"),
    ("283", "08317", "026 029 031 040 046 059 065 073 075 078 113 114 121 127 129 150 152"),
    ("286", "08317", "039 041 051 093 145"),
    ("288", "08315", "016 020 031 037 039 041 047 051 052 064 068 070 084 094 095 102 109 113"),
    ("290", "08417", "008 013 023 031 036 051"),
    ("292", "08436", "003 004 010 052"),
    ("293", "08437", "056 088 118 124"),
)
"""(constituency, district, the last three digits of municipalities that lie in it)."""


def constituency_of(municipality: str) -> str | None:
    """Number of the constituency that a municipality (official key, 8 digits) lies in; None for Stuttgart, which lies in two."""
    return _BY_MUNICIPALITY.get(municipality) or _BY_DISTRICT.get(municipality[:5])


_BY_DISTRICT: Final = {district: number for number, named in _DISTRICTS.items() for district in named.split()}
_BY_MUNICIPALITY: Final = {
    f"{district}{digits}": number for number, district, named in _MUNICIPALITIES for digits in named.split()
}
