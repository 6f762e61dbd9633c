"""How high the sun stands: pure functions.

Source: J. Meeus, Astronomical Algorithms, 2nd edition 1998, chapters 25 and 28, in the form of
NOAA's Global Monitoring Laboratory (gml.noaa.gov/grad/solcalc). Right to about 0.01 degrees between
1950 and 2050, without refraction.
"""

from __future__ import annotations

from math import asin, cos, degrees, radians, sin, tan

J2000 = 946_728_000  # noon of 1 January 2000 [s since 1970]
CENTURY = 36_525 * 86_400  # [s]


def elevation(lon: float, lat: float, at: float) -> float:
    """Return the height of the sun's middle above the horizon. [degree]

    Args:
        lon: [degree]
        lat: [degree]
        at: when. [s since 1970]

    >>> round(elevation(-105.1786, 39.742476, 1_066_419_030), 1)  # NREL/TP-560-34302, appendix A.5
    39.9
    """
    t = (at - J2000) / CENTURY
    mean_longitude = 280.46646 + t * (36_000.76983 + t * 0.0003032)
    anomaly = radians(357.52911 + t * (35_999.05029 - 0.0001537 * t))
    eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    centre = (
        sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t))
        + sin(2 * anomaly) * (0.019993 - 0.000101 * t)
        + sin(3 * anomaly) * 0.000289
    )
    node = radians(125.04 - 1934.136 * t)
    longitude = radians(mean_longitude + centre - 0.00569 - 0.00478 * sin(node))
    tilt = 23.439291 - t * (0.0130042 + t * (0.00000016 - t * 0.000000504))
    obliquity = radians(tilt + 0.00256 * cos(node))
    declination = asin(sin(obliquity) * sin(longitude))
    hour = radians((at % 86_400) / 240 + _equation(mean_longitude, anomaly, eccentricity, obliquity)
                   + lon - 180)  # fmt: skip
    phi = radians(lat)
    height = sin(phi) * sin(declination) + cos(phi) * cos(declination) * cos(hour)
    return degrees(asin(max(-1.0, min(1.0, height))))


def _equation(
    mean_longitude: float, anomaly: float, eccentricity: float, obliquity: float
) -> float:
    """Return the equation of time: sundial less clock. [degree]"""
    double, y = radians(2 * mean_longitude), tan(obliquity / 2) ** 2
    return degrees(
        y * sin(double)
        - 2 * eccentricity * sin(anomaly)
        + 4 * eccentricity * y * sin(anomaly) * cos(double)
        - 0.5 * y * y * sin(2 * double)
        - 1.25 * eccentricity * eccentricity * sin(2 * anomaly)
    )
