"""Where a city in memory was; see :mod:`madang.services.played`."""

from madang.services.past import Past as Ground
from madang.services.played import Played, at

__all__ = ["Ground", "Played", "at"]
