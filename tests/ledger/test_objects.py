"""Counts of pointers into objects: packed inline payloads against a plain dict, and what keeps an object alive."""

import random

import pytest

from higgins.ledger.state import objects as objects_module
from higgins.ledger.state.objects import InlinePayloads, ObjectRecord
from higgins.ledger.state.topics import DeleteTopic
from higgins.model.pointer import inline_payload
from tests.ledger.chronicle import Chronicle, append, live_of, plain


@pytest.mark.parametrize("seed", range(10))
def test_packed_payloads_count_as_a_dict_would(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(objects_module, "CHUNK_PAYLOADS", 4)
    chance, payloads = random.Random(seed), InlinePayloads()
    model: dict[int, int] = {}
    number = 0
    for _ in range(400):
        if not any(model.values()) or chance.random() < 0.3:
            number += chance.randint(1, 3)
            payloads.add(number, number * 10)
            payloads.count(number, 1)
            model[number] = 1
        else:
            chosen = chance.choice([each for each, count in model.items() if count])
            change = chance.choice((1, -1, -1))
            payloads.count(chosen, change)
            model[chosen] += change
        if chance.random() < 0.1:
            rows, payloads = list(payloads.freeze()), InlinePayloads()
            for row in rows:
                payloads.restore(row)
        live = {each: count for each, count in model.items() if count}
        assert payloads.lowest() == min(live, default=None)
        for each, count in model.items():
            record = payloads.get(each)
            assert record == ObjectRecord(each * 10, count) if count else record is None or record.live == 0


def test_packed_payloads_without_pointers_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "CHUNK_PAYLOADS", 4)
    payloads = InlinePayloads()
    for number in range(1, 101):
        payloads.add(number, 1)
        payloads.count(number, 1)
    for number in range(1, 101):
        payloads.count(number, -1)
    assert len(list(payloads.freeze())) == 1


def test_a_payload_keeps_its_commit_while_anything_points_into_it() -> None:
    chronicle = Chronicle()
    one, two = chronicle.topic("one"), chronicle.topic("two")
    chronicle.commit(append(one, plain(1)), append(two, plain(1)))
    here = chronicle.state.number
    assert chronicle.state.objects.get(inline_payload(here)) == ObjectRecord(200, 2)
    assert chronicle.state.objects.lowest_payload() == here
    chronicle.one(DeleteTopic(one))
    assert live_of(chronicle, inline_payload(here)) == 1
    chronicle.one(DeleteTopic(two))
    assert live_of(chronicle, inline_payload(here)) == 0
    assert chronicle.state.objects.lowest_payload() is None


def test_a_commit_without_a_payload_is_no_object() -> None:
    chronicle = Chronicle()
    chronicle.topic("t")
    assert chronicle.state.objects.get(inline_payload(chronicle.state.number)) is None


def test_drafts_count_for_themselves() -> None:
    chronicle = Chronicle()
    topic_id = chronicle.topic("t")
    chronicle.one(append(topic_id, plain(1)))
    here = inline_payload(chronicle.state.number)
    draft = chronicle.state.objects.draft()
    draft.count(here, 2)
    draft.count(inline_payload(99), 1)
    assert draft.get(here) == ObjectRecord(100, 3) and draft.get(inline_payload(99)) == ObjectRecord(0, 1)
    assert draft.draft().get(here) == ObjectRecord(100, 3)
    assert live_of(chronicle, here) == 1
