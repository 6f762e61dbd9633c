"""Units of SenML, and the codes by which NGSI-LD names them (``unitCode``).

Source: IANA registry "SenML Units" (RFC 8428 section 12.1) and "Secondary Units" (RFC 8798);
UN/CEFACT Recommendation 20, Codes for Units of Measure Used in International Trade.
"""

from __future__ import annotations

CEFACT = {
    "m": "MTR", "kg": "KGM", "g": "GRM", "s": "SEC", "A": "AMP", "K": "KEL", "cd": "CDL",
    "mol": "C34", "Hz": "HTZ", "rad": "C81", "sr": "D27", "N": "NEW", "Pa": "PAL", "J": "JOU",
    "W": "WTT", "C": "COU", "V": "VLT", "F": "FAR", "Ohm": "OHM", "S": "SIE", "Wb": "WEB",
    "T": "D33", "H": "81", "Cel": "CEL", "lm": "LUM", "lx": "LUX", "Bq": "BQL", "Gy": "A95",
    "Sv": "D13", "kat": "KAT", "m2": "MTK", "m3": "MTQ", "l": "LTR", "m/s": "MTS",
    "m/s2": "MSK", "m3/s": "MQS", "l/s": "G51", "W/m2": "D54", "cd/m2": "A24", "bit": "A99",
    "bit/s": "B10", "lat": "DD", "lon": "DD", "pH": "Q30", "dB": "2N", "Bspl": "M72",
    "count": "C62", "/": "C62", "%RH": "P1", "%EL": "P1", "EL": "SEC", "1/s": "C97",
    "1/min": "C94", "S/m": "D10", "B": "M72", "VA": "D46", "var": "D44", "J/m": "B12",
    "kg/m3": "KMQ", "deg": "DD",
    "ms": "C26", "min": "MIN", "h": "HUR", "MHz": "MHZ", "kW": "KWT", "kVA": "KVA",
    "kvar": "KVR", "Ah": "AMH", "Wh": "WHR", "kWh": "KWH", "mV": "2Z", "mA": "4K", "%": "P1",
    "/100": "P1", "/1000": "NX", "ug/m3": "GQ", "hPa": "A97", "mm": "MMT", "cm": "CMT",
    "km": "KMT", "km/h": "KMH", "ppm": "59", "mm/h": "H67", "m3/h": "MQH", "MB": "4L",
    "GB": "E34", "Mbit/s": "E20", "B/s": "P93", "MB/s": "P95", "mS/m": "H61",
}  # fmt: skip
"""UN/CEFACT codes by unit. What has no code, or none that is sure, is not here."""
