"""Names of the 2025 night in Baden-Württemberg: parties as in the source's columns, districts by key."""

from typing import Final

PARTIES: Final[dict[str, tuple[str, str]]] = {
    "CDU": ("cdu", "#2d3c4b"),
    "AfD": ("afd", "#0098d4"),
    "SPD": ("spd", "#e3000f"),
    "GRÜNE": ("gruene", "#409a3c"),
    "Die Linke": ("linke", "#be3075"),
    "FDP": ("fdp", "#f2c500"),
    "BSW": ("bsw", "#7d254f"),
    "FREIE WÄHLER": ("freie-waehler", "#f08a00"),
    "Tierschutzpartei": ("tierschutz", "#00737a"),
    "Volt": ("volt", "#562883"),
    "Die PARTEI": ("partei", "#a5002b"),
    "dieBasis": ("basis", "#c07f4a"),
    "ÖDP": ("oedp", "#e87d1e"),
    "Bündnis C": ("buendnis-c", "#5b7fb5"),
    "BÜNDNIS DEUTSCHLAND": ("buendnis-deutschland", "#35588f"),
    "MLPD": ("mlpd", "#8c1d18"),
    "Parteilos": ("parteilos", "#8a8a8a"),
    "Volkmar Raidt": ("volkmar-raidt", "#6f7f5f"),
    "Initiative Gegenwind": ("gegenwind", "#5f8f8f"),
    "FRiDi - unabhängig - unbestechlich - ehrlich - bürgernah": ("fridi", "#7f6fa0"),
    "WIR SIND ZUSAMMEN STARK (WSZ)": ("wsz", "#a07f5f"),
}
"""Column of the source -> (selection id, colour of our choice)."""

SECOND: Final = (
    "CDU", "AfD", "SPD", "GRÜNE", "Die Linke", "FDP", "BSW", "FREIE WÄHLER", "Tierschutzpartei", "Volt", "Die PARTEI",
    "dieBasis", "ÖDP", "Bündnis C", "BÜNDNIS DEUTSCHLAND", "MLPD",
)  # fmt: skip

FIRST: Final = (
    "CDU", "AfD", "SPD", "GRÜNE", "Die Linke", "FDP", "FREIE WÄHLER", "Volt", "Die PARTEI", "dieBasis",
    "Tierschutzpartei", "BÜNDNIS DEUTSCHLAND", "MLPD", "Parteilos", "Bündnis C", "ÖDP", "Volkmar Raidt",
    "Initiative Gegenwind", "FRiDi - unabhängig - unbestechlich - ehrlich - bürgernah", "WIR SIND ZUSAMMEN STARK (WSZ)",
)  # fmt: skip

DISTRICTS: Final = {
    "08111": "Stuttgart",
    "08115": "Böblingen",
    "08116": "Esslingen",
    "08117": "Göppingen",
    "08118": "Ludwigsburg",
    "08119": "Rems-Murr-Kreis",
    "08121": "Heilbronn (Stadt)",
    "08125": "Heilbronn (Land)",
    "08126": "Hohenlohekreis",
    "08127": "Schwäbisch Hall",
    "08128": "Main-Tauber-Kreis",
    "08135": "Heidenheim",
    "08136": "Ostalbkreis",
    "08211": "Baden-Baden",
    "08212": "Karlsruhe (Stadt)",
    "08215": "Karlsruhe (Land)",
    "08216": "Rastatt",
    "08221": "Heidelberg",
    "08222": "Mannheim",
    "08225": "Neckar-Odenwald-Kreis",
    "08226": "Rhein-Neckar-Kreis",
    "08231": "Pforzheim",
    "08235": "Calw",
    "08236": "Enzkreis",
    "08237": "Freudenstadt",
    "08311": "Freiburg im Breisgau",
    "08315": "Breisgau-Hochschwarzwald",
    "08316": "Emmendingen",
    "08317": "Ortenaukreis",
    "08325": "Rottweil",
    "08326": "Schwarzwald-Baar-Kreis",
    "08327": "Tuttlingen",
    "08335": "Konstanz",
    "08336": "Lörrach",
    "08337": "Waldshut",
    "08415": "Reutlingen",
    "08416": "Tübingen",
    "08417": "Zollernalbkreis",
    "08421": "Ulm",
    "08425": "Alb-Donau-Kreis",
    "08426": "Biberach",
    "08435": "Bodenseekreis",
    "08436": "Ravensburg",
    "08437": "Sigmaringen",
}
"""Official key of a district (Kreis) -> its name."""
