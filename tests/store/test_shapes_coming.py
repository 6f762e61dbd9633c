"""Whether what was read meanwhile may lack an entity: a shape came, though it may be gone again."""

from __future__ import annotations

from madang.store.shapes import Shapes

ROOM, LAMP = 1, 2


class Some(Shapes):
    """Two shapes, of which the second has no entity yet."""

    def __init__(self) -> None:
        super().__init__()
        self.fill([(ROOM, '["Room"]', "[]", 1), (LAMP, '["Lamp"]', "[]", 0)])

    def _insert(self, types: str, attributes: str) -> int:
        raise NotImplementedError


def test_a_shape_that_came_and_went_was_there() -> None:
    shapes = Some()
    since = shapes.generation
    for deltas in ({ROOM: -1, LAMP: 1}, {LAMP: -1, ROOM: 1}):
        shapes.announce(deltas)
        shapes.committed(deltas)
    assert shapes.has_new(since, lambda types, _names: types == ("Lamp",))
    assert not shapes.has_new(since, lambda types, _names: types == ("Bench",))
    assert not shapes.has_new(shapes.generation, None)


def test_one_that_is_announced_is_new_to_a_plan_of_before() -> None:
    shapes = Some()
    since = shapes.generation
    shapes.announce({LAMP: 1})
    assert shapes.has_new(since, None)
    assert not shapes.has_new(shapes.generation, None)
