"""CAP 1.2 and the indexes of CAP alerts, read from XML. Pure.

Source: OASIS Common Alerting Protocol Version 1.2; RFC 4287 (Atom); RSS 2.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from madang.sense.feeds.errors import Unusable

_CAP = ("urn:oasis:names:tc:emergency:cap:1.2", "urn:oasis:names:tc:emergency:cap:1.1")
_CAP_TYPES = ("application/cap+xml", "application/common-alerting-protocol+xml")


class Area(NamedTuple):
    """Where an alert holds."""

    description: str
    polygons: list[str]
    circles: list[str]
    geocodes: list[tuple[str, str]]


class Info(NamedTuple):
    """What an alert says, in one language."""

    language: str
    members: dict[str, str]
    """The plain elements: event, urgency, severity, certainty, headline …"""
    categories: list[str]
    responses: list[str]
    areas: list[Area]


class Alert(NamedTuple):
    """One alert."""

    identifier: str
    sender: str
    sent: str
    status: str
    kind: str
    """``msgType``: Alert, Update, Cancel, Ack, Error."""
    references: list[tuple[str, str, str]]
    """Sender, identifier and time of the alerts that it updates or cancels."""
    infos: list[Info]


class Link(NamedTuple):
    """An entry of an index: the alert itself, or where it is."""

    url: str
    updated: str
    inside: Element | None = None


def parsed(content: bytes, url: str) -> Element:
    """Return the root of an XML document.

    Raises:
        Unusable: it is none, or it wants to have entities or files put in.
    """
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unusable(f"{url} is no XML that can be read: {error}") from None
    return root


def is_alert(root: Element) -> bool:
    """Return whether an element is a CAP alert."""
    namespace, name = _split(root.tag)
    return name == "alert" and namespace in _CAP


def index_of(root: Element, url: str) -> list[Link]:
    """Return the entries of an Atom or RSS index, in its order.

    Raises:
        Unusable: it is neither.
    """
    _, name = _split(root.tag)
    if name == "feed":
        return [_atom(entry) for entry in _children(root, "entry")]
    if name in ("rss", "RDF"):
        channels = [*_children(root, "channel"), root]
        return [_rss(item) for channel in channels for item in _children(channel, "item")]
    raise Unusable(f"{url} is XML, but neither a CAP alert nor an Atom or RSS index of alerts")


def _atom(entry: Element) -> Link:
    links = list(_children(entry, "link"))
    typed = [one for one in links if one.get("type") in _CAP_TYPES]
    plain = [one for one in links if one.get("rel", "alternate") == "alternate"]
    href = next((one.get("href", "") for one in [*typed, *plain, *links]), "")
    return Link(href or _text(entry, "id"), _text(entry, "updated"), _alert_in(entry))


def _rss(item: Element) -> Link:
    enclosures = [one for one in _children(item, "enclosure") if one.get("type") in _CAP_TYPES]
    href = next((one.get("url", "") for one in enclosures), "") or _text(item, "link")
    return Link(href, _text(item, "pubDate"), _alert_in(item))


def _alert_in(entry: Element) -> Element | None:
    return next((one for one in entry.iter() if is_alert(one)), None)


def alert_of(root: Element) -> Alert:
    """Return an alert.

    Raises:
        ValueError: an element that it must have is missing.
    """
    needed = {name: _text(root, name) for name in ("identifier", "sender", "sent", "status")}
    for name, found in needed.items():
        if not found:
            raise ValueError(f"{name} is missing")
    return Alert(
        needed["identifier"],
        needed["sender"],
        needed["sent"],
        needed["status"],
        _text(root, "msgType") or "Alert",
        list(_references(_text(root, "references"))),
        [_info(one) for one in _children(root, "info")],
    )


def _references(written: str) -> Iterator[tuple[str, str, str]]:
    for one in written.split():
        parts = one.split(",")
        if len(parts) != 3:
            raise ValueError(f"references holds {one[:60]!r}, expected sender,identifier,sent")
        yield parts[0], parts[1], parts[2]


def _info(info: Element) -> Info:
    members = {
        _split(one.tag)[1]: one.text.strip()
        for one in info
        if len(one) == 0 and one.text and one.text.strip()
    }
    return Info(
        members.get("language", "en-US"),
        members,
        [_own(one) for one in _children(info, "category")],
        [_own(one) for one in _children(info, "responseType")],
        [_area(one) for one in _children(info, "area")],
    )


def _area(area: Element) -> Area:
    codes = [(_text(one, "valueName"), _text(one, "value")) for one in _children(area, "geocode")]
    return Area(
        _text(area, "areaDesc"),
        [_own(one) for one in _children(area, "polygon")],
        [_own(one) for one in _children(area, "circle")],
        [(name, value) for name, value in codes if name and value],
    )


def _children(element: Element, name: str) -> Iterator[Element]:
    return (one for one in element if _split(one.tag)[1] == name)


def _text(element: Element, name: str) -> str:
    return next((_own(one) for one in _children(element, name)), "")


def _own(element: Element) -> str:
    return (element.text or "").strip()


def _split(tag: object) -> tuple[str, str]:
    """Return the namespace and the name of a tag; comments have neither."""
    if not isinstance(tag, str):
        return "", ""
    namespace, _, name = tag.rpartition("}")
    return namespace.removeprefix("{"), name
