"""Units as people write them.

Source: UNECE Recommendation 20, codes for units of measure.
"""

from __future__ import annotations

from typing import Final

SIGNS: Final = {
    "CEL": "°C", "GQ": "µg/m³", "GP": "mg/m³", "59": "ppm", "61": "ppb", "P1": "%",
    "KMH": "km/h", "MTS": "m/s", "MTR": "m", "KMT": "km", "MMT": "mm", "CMT": "cm", "H67": "mm/h",
    "C62": "", "2N": "dB", "KWH": "kWh", "WTT": "W", "KWT": "kW", "VLT": "V", "AMP": "A",
    "4K": "mA", "LUX": "lx", "LUM": "lm", "PAL": "Pa", "A97": "hPa", "BAR": "bar", "LTR": "L",
    "MTQ": "m³", "MQH": "m³/h", "MQS": "m³/s", "G51": "L/min", "SEC": "s", "MIN": "min",
    "HUR": "h", "DAY": "d", "KGM": "kg", "TNE": "t", "GRM": "g", "MTK": "m²", "DD": "°",
    "HTZ": "Hz", "KEL": "K", "D54": "W/m²", "KRW": "₩", "EUR": "€",
}  # fmt: skip


def sign(code: str | None) -> str:
    """Return how people write a unit; a code that is not known is shown itself.

    >>> sign("GQ"), sign("XYZ"), sign(None)
    ('µg/m³', 'XYZ', '')
    """
    return "" if code is None else SIGNS.get(code, code)


def digits(value: float) -> int:
    """Return how many digits after the point tell enough of a value of such a size.

    >>> [digits(value) for value in (820.0, 21.84, 0.0312)]
    [0, 1, 3]
    """
    size = abs(value)
    if size >= 100 or value == int(value):
        return 0
    return 1 if size >= 1 else 3
