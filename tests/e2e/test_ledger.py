"""The crash test's own book-keeping notices what it is there to notice."""

from __future__ import annotations

from tests.e2e.ledger import Ledger, Notified

A, B = "urn:ngsi-ld:Probe:0:a", "urn:ngsi-ld:Probe:0:b"


def ledger() -> Ledger:
    """Return one with two acknowledged writes to A and one to B."""
    made = Ledger()
    for id, number in ((A, 1), (A, 2), (B, 3)):
        made.begin({id: number})
        made.answered({id: number})
    return made


def test_what_was_acknowledged_and_is_there_is_no_fault() -> None:
    made = ledger()
    made.settle({A: 2, B: 3})
    made.compare_changes([(A, 1), (B, 3), (A, 2)])
    assert made.faults == []


def test_a_write_under_way_may_have_happened_or_not() -> None:
    for found in ({A: 2, B: 3}, {A: 4, B: 3}):
        made = ledger()
        made.begin({A: 4})
        made.settle(found)
        assert made.faults == []
        assert made.states == found
    assert made.numbers() == {1, 2, 3, 4}


def test_a_lost_write_is_a_fault() -> None:
    for found in ({A: 1, B: 3}, {B: 3}):
        made = ledger()
        made.begin({A: 4})
        made.settle(found)
        assert len(made.faults) == 1


def test_an_entity_nobody_wrote_is_a_fault() -> None:
    made = ledger()
    made.settle({A: 2, B: 3, "urn:other": 9})
    assert len(made.faults) == 1


def test_a_deleted_entity_that_is_back_is_a_fault() -> None:
    made = ledger()
    made.begin({B: None})
    made.answered({B: None})
    made.settle({A: 2, B: 3})
    assert len(made.faults) == 1


def test_a_change_missing_doubled_or_out_of_order_in_history_is_a_fault() -> None:
    for changes in (
        [(A, 2), (B, 3)],
        [(A, 1), (A, 2), (A, 2), (B, 3)],
        [(A, 2), (A, 1), (B, 3)],
    ):
        made = ledger()
        made.compare_changes(changes)
        assert len(made.faults) == 1


def told(id: str, entity: str, number: int) -> dict[str, object]:
    return {"id": id, "data": [{"id": entity, "reading": {"value": number}}]}


def test_copies_with_the_same_id_are_no_fault() -> None:
    notified = Notified()
    notified.add([told("n1", A, 1), told("n1", A, 1), told("n2", A, 2)])
    assert (notified.faults({1, 2}), notified.copies) == ([], 1)


def test_another_id_a_wrong_order_or_an_invented_change_is_a_fault() -> None:
    for taken in (
        [told("n1", A, 1), told("n2", A, 1)],
        [told("n2", A, 2), told("n1", A, 1)],
        [told("n1", A, 7)],
    ):
        notified = Notified()
        notified.add(taken)
        assert len(notified.faults({1, 2})) == 1
