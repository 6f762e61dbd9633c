"""The vehicle types of a scenario, with what they emit.

Emission classes are of HBEFA 4 (Handbook Emission Factors for Road Transport) as SUMO 1.28 has
them: a car of the middle of today's fleet, a diesel bus, a rigid truck, a van as ambulance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from madang.twin.network.scenario import put

_TYPES: Final = {
    "passenger": {
        "vClass": "passenger", "length": "4.6", "emissionClass": "HBEFA4/PC_petrol_Euro-6ab",
        "sigma": "0.5", "speedFactor": "normc(1.0,0.1,0.7,1.3)",
    },
    "bus": {
        "vClass": "bus", "length": "11.0", "maxSpeed": "22.2", "accel": "1.2", "decel": "3.5",
        "emissionClass": "HBEFA4/UBus_Std_gt15-18t_Euro-VI_A-C", "personCapacity": "60",
        "sigma": "0.4",
    },
    "bicycle": {
        "vClass": "bicycle", "length": "1.7", "minGap": "0.6", "accel": "1.0", "decel": "3.0",
        "maxSpeed": "5.6", "speedFactor": "normc(1.0,0.1,0.7,1.4)", "emissionClass": "Zero",
    },
    "emergency": {
        "vClass": "emergency", "length": "6.5", "maxSpeed": "33.3",
        "speedFactor": "1.4", "emissionClass": "HBEFA4/LCV_diesel_N1-III_Euro-6ab",
    },
    "truck": {
        "vClass": "truck", "length": "8.5", "accel": "1.0", "decel": "3.5", "maxSpeed": "25.0",
        "emissionClass": "HBEFA4/RT_gt7_5-12t_Euro-VI_A-C", "sigma": "0.5",
    },
}  # fmt: skip


def write(path: Path) -> None:
    """Write the types whole."""
    rows = [
        f'<vType id="{id}"{"".join(map(_attribute, own.items()))}/>\n' for id, own in _TYPES.items()
    ]
    put(path, ["<additional>\n", *rows, "</additional>\n"])


def _attribute(item: tuple[str, str]) -> str:
    name, value = item
    return f' {name}="{value}"'
