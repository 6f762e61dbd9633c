"""What of a change may leave an edge node: attributes are stripped, or only leave as aggregates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from madang.hub.records import RECORDS
from madang.model.entity import Document

if TYPE_CHECKING:
    from madang.hub.feed import Event
    from madang.settings_types import EdgeRule
    from madang.trust.marks import Mark

EVERY_TYPE = "*"
MEMBERS = frozenset({"id", "type"})
REGISTRY = "Device"
"""The type of the registry: who a device is, the centre says; what it measures, the node."""


class Kind(NamedTuple):
    """What holds for entities of the same types."""

    stripped: frozenset[str]
    windows: Mapping[str, int]
    """Attributes that leave as aggregates only, and over how long. [us]"""
    is_device: bool
    is_record: bool
    """What was decided and done here is read here: the centre takes records of nobody."""


class Rules:
    """The rules of one node.

    Args:
        rules: by type of entities; ``*`` is all.
        marks: which attributes the city's policies mark, as of now.
        personal: attributes marked personal leave as well.
    """

    def __init__(
        self,
        rules: Mapping[str, EdgeRule],
        marks: Callable[[], Sequence[Mark]],
        personal: bool = False,
    ) -> None:
        self._rules = rules
        self._marks = marks
        self._personal = personal
        self._known: Sequence[Mark] = ()
        self._kinds: dict[tuple[str, ...], Kind] = {}

    def are_like(self, other: Rules) -> bool:
        """Tell whether by other rules the same leaves."""
        return self._rules == other._rules and self._personal == other._personal

    def kind(self, types: tuple[str, ...]) -> Kind:
        """Return what holds for entities of these types."""
        marks = self._marks()
        if marks is not self._known:
            self._known = marks
            self._kinds.clear()
        found = self._kinds.get(types)
        if found is None:
            if len(self._kinds) > 10_000:
                self._kinds.clear()
            found = self._kinds[types] = self._work_out(types, marks)
        return found

    def _work_out(self, types: tuple[str, ...], marks: Sequence[Mark]) -> Kind:
        stripped: set[str] = set()
        windows: dict[str, int] = {}
        for name in (EVERY_TYPE, *types):
            rule = self._rules.get(name)
            if rule is not None:
                stripped.update(rule.strip)
                windows |= {key: round(s * 1e6) for key, s in rule.aggregate.items()}
        if not self._personal:
            stripped |= {
                mark.attribute
                for mark in marks
                if mark.sensitivity == "personal" and not set(types).isdisjoint(mark.types)
            }
        is_record = not RECORDS.keys().isdisjoint(types)
        return Kind(frozenset(stripped), windows, REGISTRY in types, is_record)

    def outgoing(self, event: Event) -> tuple[Document | None, dict[str, Any]]:
        """Return what of a change leaves at once, or None, and what goes into windows.

        Deletions do not leave: what the centre has, the centre removes.
        """
        if event.entity is None:
            return None, {}
        kind = self.kind(event.types)
        if kind.is_record:
            return None, {}
        leaving: Document = {}
        gathered: dict[str, Any] = {}
        for name, attribute in event.entity.items():
            if name in MEMBERS:
                leaving[name] = attribute
            elif name in kind.stripped or (kind.is_device and not _is_measured(attribute)):
                continue
            elif name in kind.windows:
                gathered[name] = attribute
            else:
                leaving[name] = attribute
        is_empty = leaving.keys() <= MEMBERS
        return (None if is_empty else leaving), gathered

    def left_of(self, entity: Document) -> Document | None:
        """Return what still leaves of an entity that was made ready by other rules, or None.

        It is stripped; what would be gathered by now leaves as it is.
        """
        types = entity["type"]
        kind = self.kind((types,) if isinstance(types, str) else tuple(types))
        found = {
            name: attribute
            for name, attribute in entity.items()
            if name in MEMBERS or name not in kind.stripped
        }
        return None if found.keys() <= MEMBERS else found


def _is_measured(attribute: Any) -> bool:
    return isinstance(attribute, dict) and "observedAt" in attribute
