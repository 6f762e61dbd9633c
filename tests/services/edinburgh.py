"""Where the recorded litter bins of Edinburgh stand: their streets, for the records give no place.

Ends of streets are from OpenStreetMap (© OpenStreetMap contributors, ODbL), save the last ones,
which were read from a map by hand. A bin stands somewhere on its street: the bins of a street are
spread along it evenly, so a place is right to about the length of a street.
"""

from __future__ import annotations

import re

STREETS: dict[str, tuple[float, float, float, float]] = {
    "atholl crescent": (-3.2109, 55.9489, -3.2132, 55.9479),
    "broughton road": (-3.1962, 55.9627, -3.1891, 55.9662),
    "broughton street": (-3.1908, 55.9592, -3.1878, 55.9567),
    "calton hill": (-3.1853, 55.954, -3.1872, 55.9544),
    "calton road": (-3.1833, 55.9528, -3.1872, 55.9544),
    "canongate": (-3.1838, 55.9507, -3.1747, 55.9527),
    "castle street": (-3.2031, 55.9517, -3.2035, 55.9524),
    "castlehill": (-3.1944, 55.949, -3.1964, 55.9488),
    "cathedral lane": (-3.1876, 55.9565, -3.1887, 55.9558),
    "chambers street": (-3.1913, 55.9471, -3.1886, 55.9477),
    "charlotte square": (-3.2068, 55.9513, -3.2083, 55.951),
    "clifton terrace": (-3.217, 55.9461, -3.2173, 55.946),
    "coates crescent": (-3.2133, 55.9479, -3.2109, 55.9489),
    "connaught place": (-3.1915, 55.9722, -3.1931, 55.9709),
    "duke street": (-3.1704, 55.9702, -3.1674, 55.9689),
    "duncan place": (-3.1682, 55.9693, -3.1671, 55.9719),
    "east hermitage place": (-3.1637, 55.9694, -3.1601, 55.9698),
    "east market street": (-3.1867, 55.9514, -3.1845, 55.9515),
    "elm row": (-3.1831, 55.9592, -3.1843, 55.958),
    "frederick street": (-3.1995, 55.9516, -3.2003, 55.9529),
    "gayfield square": (-3.1848, 55.9583, -3.1844, 55.9587),
    "george iv bridge": (-3.192, 55.9482, -3.1927, 55.9494),
    "george street": (-3.2036, 55.9524, -3.2066, 55.9519),
    "grassmarket": (-3.1944, 55.948, -3.1979, 55.9471),
    "greyfriars place": (-3.191, 55.9463, -3.1911, 55.9468),
    "hanover street": (-3.198, 55.9549, -3.1973, 55.9536),
    "haymarket terrace": (-3.2234, 55.946, -3.2215, 55.9459),
    "hermitage place": (-3.1659, 55.9691, -3.1637, 55.9694),
    "hunter square": (-3.1873, 55.9497, -3.1878, 55.9496),
    "lady stair's close": (-3.1937, 55.9498, -3.1936, 55.9495),
    "leith street": (-3.1886, 55.9536, -3.1873, 55.9545),
    "leith walk": (-3.1843, 55.9586, -3.1723, 55.9699),
    "links place": (-3.1629, 55.9723, -3.1655, 55.9732),
    "market street": (-3.1914, 55.9509, -3.1876, 55.9514),
    "mcdonald road": (-3.1871, 55.9651, -3.1811, 55.9615),
    "mound place": (-3.1948, 55.9501, -3.1961, 55.9495),
    "newkirkgate": (-3.1721, 55.9706, -3.1712, 55.972),
    "nicolson street": (-3.1835, 55.9438, -3.1842, 55.9451),
    "north bridge": (-3.1888, 55.9527, -3.188, 55.9512),
    "north st andrew street": (-3.1927, 55.9555, -3.1924, 55.9549),
    "picardy place": (-3.1852, 55.9573, -3.1861, 55.9568),
    "princes street": (-3.1995, 55.9515, -3.2059, 55.9504),
    "queensferry street": (-3.2096, 55.9508, -3.2085, 55.9503),
    "ramsay lane": (-3.1961, 55.9495, -3.1958, 55.9489),
    "regent road": (-3.1853, 55.954, -3.1741, 55.9553),
    "rose street": (-3.1969, 55.9528, -3.2063, 55.9512),
    "seafield place": (-3.1522, 55.9703, -3.152, 55.9709),
    "seafield street": (-3.1448, 55.9695, -3.1462, 55.9684),
    "shandwick place": (-3.2133, 55.9479, -3.2109, 55.9489),
    "south bridge": (-3.1873, 55.9497, -3.1869, 55.9488),
    "south st andrew street": (-3.1918, 55.9538, -3.1915, 55.9533),
    "south st david street": (-3.1936, 55.9531, -3.1934, 55.9526),
    "st andrew square": (-3.1918, 55.9538, -3.1938, 55.9535),
    "the mound": (-3.1948, 55.9501, -3.1964, 55.9512),
    "waterloo place": (-3.1871, 55.9537, -3.1853, 55.954),
    "waverley bridge": (-3.1914, 55.9511, -3.1916, 55.9516),
    "west bow": (-3.1943, 55.9479, -3.1942, 55.9485),
    "west maitland street": (-3.2166, 55.9464, -3.2151, 55.947),
    "west port": (-3.201, 55.9461, -3.1976, 55.9469),
    "york place": (-3.1907, 55.9561, -3.1933, 55.9557),
    "festival square": (-3.2072, 55.9468, -3.2062, 55.9471),
    "high street": (-3.193, 55.9494, -3.1845, 55.9506),
    "leith links": (-3.166, 55.9707, -3.156, 55.9702),
    "princes street gardens east": (-3.194, 55.9518, -3.193, 55.9521),
    "princes street gardens west": (-3.206, 55.9496, -3.1975, 55.951),
    "promenade": (-3.118, 55.957, -3.097, 55.95),
    "restalrig railway path": (-3.163, 55.966, -3.15, 55.9665),
    "seafield road": (-3.143, 55.967, -3.142, 55.9665),
    "st mark's place": (-3.1935, 55.9668, -3.1925, 55.9672),
    "victoria street": (-3.1933, 55.9487, -3.1945, 55.9482),
}
"""Longitude and latitude of both ends, by name in lower case. [degree]"""

SAME = {
    "albert place": "leith walk",
    "antigua street": "leith walk",
    "atholl cresent": "atholl crescent",
    "brunswick place": "leith walk",
    "crighton place": "leith walk",
    "gayfield place": "leith walk",
    "gayfield square park": "gayfield square",
    "haddington place": "leith walk",
    "hunters square": "hunter square",
    "promanade": "promenade",
}
"""Parts of streets, and ways to write them."""

DEPOT = (-3.137, 55.964)
"""At Seafield. Which depot served these bins is not recorded. [degree]"""


def street(address: str) -> str:
    """Return the street of an address, such as ``10 Castle Street``."""
    name = re.sub(r"^\d+\s+", "", address).lower()
    return SAME.get(name, name)


def places(sites: list[tuple[int, str]]) -> dict[int, tuple[float, float]]:
    """Return longitude and latitude by site, from sites and their addresses. [degree]"""
    along: dict[str, list[int]] = {}
    for site, address in sorted(sites):
        along.setdefault(street(address), []).append(site)
    found: dict[int, tuple[float, float]] = {}
    for name, there in along.items():
        lon, lat, lon2, lat2 = STREETS[name]
        for place, site in enumerate(there):
            share = (place + 0.5) / len(there)
            found[site] = (lon + share * (lon2 - lon), lat + share * (lat2 - lat))
    return found
