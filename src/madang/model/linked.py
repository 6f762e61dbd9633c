"""Linked entities: what a relationship points at, served with the entity that has it. Pure.

The caller fetches level by level, so that one query a level is enough however many entities link::

    known = {entity.id: entity for entity in page}
    while wanted := missing(page, known, view, join):
        known |= dict.fromkeys(wanted) | await fetch(wanted)

and then asks for :func:`inline` or :func:`flat`.
Source: ETSI GS CIM 009 clauses 4.5.23 and 4.21.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from madang.model.attributes import LINKS, attributes_of, instances
from madang.model.context import Context
from madang.model.entity import Entity
from madang.model.errors import TooComplexQuery
from madang.model.representation import Body, links, renderer
from madang.model.view import View, below

MOST_LINKED = 10_000
"""How many linked entities one answer may hold: inline, their number grows with every level."""

Known = Mapping[str, Entity | None]
"""Entities fetched so far; None for an id that has none."""


@dataclass(frozen=True, slots=True)
class Join:
    """How linked entities are wanted."""

    flat: bool = False
    level: int = 1
    contained_by: frozenset[str] = frozenset()
    """Ids already on the way to here, which are not followed again."""


def links_of(entity: Entity, view: View) -> Iterator[tuple[str, str]]:
    """Yield relationship and URI of everything that the shown part of an entity links to."""
    for name, attribute in attributes_of(entity.document):
        if not view.keeps(name):
            continue
        for instance in instances(attribute):
            if instance["type"] in LINKS and (
                not view.datasets or instance.get("datasetId", "@none") in view.datasets
            ):
                for target in links(instance):
                    yield name, target


def missing(entities: Iterable[Entity], known: Known, view: View, join: Join) -> set[str]:
    """Return the ids that have to be fetched next; none when all levels are complete."""
    wanted: set[str] = set()
    for level in _levels(entities, known, view, join):
        wanted |= {id for id, _ in level if id not in known}
    return wanted


def inline(entity: Entity, known: Known, view: View, names: Context, join: Join) -> Body | None:
    """Return an entity with its linked ones inside its relationships (clause 4.5.23.2).

    Raises:
        TooComplexQuery: there are more than :data:`MOST_LINKED`.
    """
    return _Inliner(known, names, join).body(entity, view, join.level, join.contained_by)


def flat(
    entities: Sequence[Entity], known: Known, view: View, names: Context, join: Join
) -> list[tuple[Entity, Body]]:
    """Return entities followed by all that they link to, each once (clause 4.5.23.3)."""
    bodies: dict[str, tuple[Entity, Body]] = {}
    for entity in entities:
        body = renderer(view, names).entity(entity)
        if body is not None:
            bodies[entity.id] = entity, body
    roots = {entity.id for entity in entities}
    for level in _levels(entities, known, view, join):
        for id, own_view in level:
            linked = known.get(id)
            if linked is None or id in roots:
                continue
            body = renderer(own_view, names).entity(linked)
            if body is None:
                continue
            # Linked to by two relationships with projections of their own: both are served.
            bodies[id] = linked, {**bodies[id][1], **body} if id in bodies else body
    return list(bodies.values())


def _levels(
    entities: Iterable[Entity], known: Known, view: View, join: Join
) -> Iterator[list[tuple[str, View]]]:
    """Yield, level by level, which entities are linked to and how each is seen from there."""
    frontier = [(entity, view) for entity in entities]
    seen: set[tuple[str, View]] = set()
    for _ in range(join.level):
        level: list[tuple[str, View]] = []
        for entity, own_view in frontier:
            for name, target in links_of(entity, own_view):
                step = (target, below(own_view, name))
                if target not in join.contained_by and step not in seen:
                    seen.add(step)
                    level.append(step)
        if len(seen) > MOST_LINKED:
            raise TooComplexQuery(f"more than {MOST_LINKED:,} entities are linked to")
        yield level
        frontier = [(found, seen_as) for id, seen_as in level if (found := known.get(id))]


class _Inliner:
    """Renders entities into one another, up to a level and a number."""

    def __init__(self, known: Known, names: Context, join: Join) -> None:
        self._known = known
        self._names = names
        self._left = MOST_LINKED

    def body(self, entity: Entity, view: View, level: int, path: frozenset[str]) -> Body | None:
        render = renderer(view, self._names)
        if level == 0:
            return render.entity(entity)
        passed = path | {entity.id}

        def follow(name: str, target: str) -> Body | None:
            linked = self._known.get(target)
            if linked is None or target in passed:
                return None
            self._left -= 1
            if self._left < 0:
                raise TooComplexQuery(f"more than {MOST_LINKED:,} entities are linked to")
            return self.body(linked, below(view, name), level - 1, passed)

        return render.entity(entity, follow)
