"""Alerts of GTFS Realtime as Alert (Smart Data Models). Pure."""

from __future__ import annotations

from google.transit import gtfs_realtime_pb2 as proto

from madang.sense.feeds.attributes import prop, urn
from madang.sense.feeds.gtfs_realtime.message import (
    Message,
    Record,
    moment,
    present,
    translated,
    word,
)

_SEVERITIES = {
    proto.Alert.INFO: "informational",
    proto.Alert.WARNING: "medium",
    proto.Alert.SEVERE: "high",
}
_LONGEST = 10_000  # [characters]
_MOST_TARGETS = 1_000


def alert(system: str, entity: Message, sent: str | None, language: str) -> Record:
    """Return the entity of an alert.

    Args:
        system: of which it is.
        entity: the FeedEntity.
        sent: when the message was made.
        language: wanted, for texts.
    """
    told = entity.alert
    begins = [one.start for one in told.active_period if one.start]
    ends = [one.end for one in told.active_period]
    start = moment(min(begins)) if begins else None
    end = moment(max(ends)) if ends and all(ends) else None
    return {
        "id": urn("Alert", system, entity.id),
        "type": "Alert",
        "category": prop("traffic"),
        "subCategory": prop(word(proto.Alert.Effect, told.effect), sent),
        "cause": prop(word(proto.Alert.Cause, told.cause), sent),
        "severity": prop(_SEVERITIES.get(told.severity_level, "low"), sent),
        **present(
            name=_text(translated(told.header_text, language), sent),
            description=_text(translated(told.description_text, language), sent),
            web=_text(translated(told.url, language), sent),
            dateIssued=None if sent is None else prop(sent),
            validFrom=None if start is None else prop(start, sent),
            validTo=None if end is None else prop(end, sent),
            affects=_affected(system, told, sent),
        ),
    }


def _text(text: str, sent: str | None) -> Record | None:
    return prop(text[:_LONGEST], sent) if text else None


def _affected(system: str, told: Message, sent: str | None) -> Record | None:
    """Return a Relationship to what an alert is about: the narrowest that each selector names."""
    found: dict[str, None] = {}
    for one in told.informed_entity[:_MOST_TARGETS]:
        if one.trip.trip_id:
            found[urn("GtfsTrip", system, one.trip.trip_id)] = None
        if one.stop_id:
            found[urn("GtfsStop", system, one.stop_id)] = None
        route = one.route_id or one.trip.route_id
        if route and not one.trip.trip_id:
            found[urn("GtfsRoute", system, route)] = None
        if one.agency_id and not (route or one.stop_id or one.trip.trip_id):
            found[urn("GtfsAgency", system, one.agency_id)] = None
    if not found:
        return None
    made: Record = {"type": "Relationship", "object": list(found)}
    return made if sent is None else made | {"observedAt": sent}
