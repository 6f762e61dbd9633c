"""What may be expected of the values of one attribute: the settings of the quality tests.

Source: IOOS QARTOD manuals (gross range, rate of change, spike, flat line, gap tests) and W3C
DQV for the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Flag = Literal["good", "suspect", "fail", "notEvaluated"]
"""QARTOD 1, 3, 4 and 2. Kept as the sub-attribute ``quality`` of every value."""

Why = Literal[
    "range", "rate", "spike", "stuck", "gap", "duplicate", "late", "clockSkew", "placeMoved", "type"
]
"""Kept as the sub-attribute ``qualityReason`` (a list) of every value that is not good."""

QUALITY = "quality"
REASON = "qualityReason"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one attribute; None switches a test off. Values in the attribute's own unit."""

    fail_below: float | None = None
    fail_above: float | None = None
    """Outside of these the sensor cannot measure: the value fails."""
    suspect_below: float | None = None
    suspect_above: float | None = None
    """Outside of these it is unusual here: the value is suspect."""
    rate_per_s: float | None = None
    """Largest change a second to be believed."""
    spike: float | None = None
    """Largest distance of a value from the line between its neighbours; twice of it fails."""
    stuck_s: float | None = None
    """The same value for so long is suspect; three times as long fails. [s]"""
    stuck_tolerance: float = 0.0
    gap_s: float | None = None
    """A value that comes so long after the one before follows a gap. [s]"""
    late_s: float | None = 3600.0
    """A value that arrives so long after it was measured is late. [s]"""
    skew_s: float = 300.0
    """A value measured so far in the future comes from a clock that is wrong. [s]"""
    moved_m: float | None = None
    """A place so far from the registered one has moved. [m]"""


ANY = Limits()
