"""Whether realtime messages and timetable belong together, in numbers. Pure."""

from __future__ import annotations

from typing import Any

from madang.sense.feeds.gtfs_realtime.known import Known
from madang.sense.feeds.gtfs_realtime.message import Message

FEW = 0.5
"""A share of known trips below this is told as a problem."""
_SHOWN = 3


class Match:
    """Counts vehicles, trips and stops, and those of them that the timetable knows."""

    def __init__(self, known: Known | None) -> None:
        self._known = known
        self._unknown: dict[str, None] = {}
        self.vehicles = 0
        self.vehicles_on_trip = 0
        self.vehicles_known = 0
        self.updates = 0
        self.updates_known = 0
        self.stops = 0
        self.stops_known = 0

    @property
    def total(self) -> int:
        return self.vehicles + self.updates

    def count(self, entity: Message) -> None:
        """Count one entity of a message."""
        if entity.HasField("vehicle"):
            self.vehicles += 1
            trip = entity.vehicle.trip.trip_id
            self.vehicles_on_trip += bool(trip)
            self.vehicles_known += bool(trip) and self._is_known(trip)
        if entity.HasField("trip_update"):
            self.updates += 1
            self.updates_known += self._is_known(entity.trip_update.trip.trip_id)
            stops = [one.stop_id for one in entity.trip_update.stop_time_update if one.stop_id]
            self.stops += len(stops)
            if self._known is not None:
                self.stops_known += sum(stop in self._known.stops for stop in stops)

    def _is_known(self, trip: str) -> bool:
        if self._known is None or trip in self._known.trips:
            return self._known is not None
        if len(self._unknown) < _SHOWN:
            self._unknown[trip] = None
        return False

    def counts(self) -> dict[str, Any]:
        """Return the numbers as JSON."""
        return {
            "checked": self._known is not None,
            "vehicles": self.vehicles,
            "vehiclesOnTrip": self.vehicles_on_trip,
            "vehiclesOnKnownTrip": self.vehicles_known,
            "tripUpdates": self.updates,
            "tripUpdatesOfKnownTrip": self.updates_known,
            "stops": self.stops,
            "knownStops": self.stops_known,
        }

    def problems(self) -> list[str]:
        """Return sentences about what does not fit together."""
        if self._known is None:
            return [
                f"{self.updates + self.vehicles_on_trip} trips are not checked, for there is no"
                " timetable; name one with static under [parameters]"
            ]
        found = [
            *self._of("vehicles", self.vehicles_known, self.vehicles, self.vehicles_on_trip),
            *self._of("trip updates", self.updates_known, self.updates, self.updates),
        ]
        if self.stops and self.stops_known < FEW * self.stops:
            found.append(f"{self.stops_known} of {self.stops} stops told of are in the timetable")
        return found

    def _of(self, what: str, known: int, all: int, with_trip: int) -> list[str]:
        if known >= FEW * all:
            return []
        said = (
            f"{known} of {all} {what} are on a trip of the timetable; {all - with_trip} name none"
        )
        if with_trip and not known:
            examples = ", ".join(self._unknown)
            return [f"{said}, and trips such as {examples} are unknown: is it another city's?"]
        return [said]
