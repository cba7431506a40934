"""The index of runs against a plain list."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from higgins.ledger.state import index as index_module
from higgins.ledger.state.index import CONTROL, STORED_OFFSETS, TRANSACTIONAL, Run, RunIndex
from higgins.model.pointer import ObjectId


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Chunks of four make every seam show with few runs.
    monkeypatch.setattr(index_module, "CHUNK_RUNS", 4)


def grown(seed: int, runs: int) -> tuple[RunIndex, list[Run]]:
    """An index and the list it stands for; offsets may have holes, as compaction will leave them."""
    chance = random.Random(seed)
    made, model, offset = RunIndex(), [], 0
    for i in range(runs):
        offset += chance.choice((0, 0, 0, 5))
        count = chance.randint(1, 50)
        place = (ObjectId(chance.randrange(5)), i * 10, chance.randint(1, 999))
        run = Run(
            offset,
            offset + count - 1,
            *place,
            chance.randrange(40),
            offset + chance.randrange(count),
            chance.choice((0, 0, TRANSACTIONAL, CONTROL | TRANSACTIONAL, STORED_OFFSETS)),
        )
        made.append(run)
        model.append(run)
        offset += count
    return made, model


def found_in(model: list[Run], offset: int, runs_max: int, bytes_max: int) -> list[Run]:
    found: list[Run] = []
    for run in model:
        if run.last_offset < offset:
            continue
        if len(found) == runs_max or sum(one.length for one in found) >= bytes_max:
            break
        found.append(run)
    return found


@pytest.mark.parametrize("runs", [0, 1, 3, 4, 5, 8, 9, 30])
def test_the_index_finds_what_a_list_would(runs: int) -> None:
    for seed in range(5):
        index, model = grown(seed, runs)
        assert len(index) == runs and index.bytes == sum(run.length for run in model)
        assert index.objects() == Counter(run.object_id for run in model)
        end = model[-1].last_offset + 3 if model else 3
        for offset in range(0, end, 3):
            for runs_max, bytes_max in ((1, 10**9), (7, 10**9), (100, 1), (100, 2000)):
                assert index.find(offset, runs_max, bytes_max) == found_in(model, offset, runs_max, bytes_max)


def test_the_index_finds_by_time_what_a_list_would() -> None:
    for seed in range(10):
        index, model = grown(seed, 23)
        for from_offset in range(0, model[-1].last_offset + 2, 17):
            ahead = [run for run in model if run.last_offset >= from_offset]
            for timestamp in range(-1, 42):
                expected = [run for run in ahead if run.max_timestamp >= timestamp][:1]
                assert index.first_not_before(timestamp, from_offset) == expected
            newest = [run for run in ahead if run.max_timestamp == max(one.max_timestamp for one in ahead)][:1]
            assert index.newest(from_offset) == newest


def restored(chunks: Iterable[list[memoryview]]) -> RunIndex:
    index = RunIndex()
    for columns in chunks:
        index.restore([memoryview(bytes(column)) for column in columns])
    return index


@pytest.mark.parametrize("runs", [0, 1, 3, 4, 5, 8, 9])
def test_an_index_is_restored_as_it_was_and_grows_on(runs: int) -> None:
    index, model = grown(1, runs)
    again = restored(index.freeze())
    assert again.find(0, 1000, 10**9) == model and again.bytes == index.bytes
    following = Run(10_000, 10_000, ObjectId(1), 0, 1, 1, 10_000)
    for one in (index, again):
        one.append(following)
        assert one.find(0, 1000, 10**9) == [*model, following]


def test_what_was_frozen_does_not_grow() -> None:
    index, model = grown(1, 6)
    frozen = list(index.freeze())
    for i in range(9):
        index.append(Run(10_000 + i, 10_000 + i, ObjectId(1), 0, 1, 1, 10_000 + i))
    again = restored(frozen)
    assert again.find(0, 1000, 10**9) == model


def test_columns_that_do_not_fit_together_are_refused() -> None:
    index, _ = grown(1, 3)
    (columns,) = index.freeze()
    empty = memoryview(b"")
    for damaged in (columns[:-1], [*columns[:-1], empty], [empty] * len(columns)):
        with pytest.raises(ValueError, match="length"):
            RunIndex().restore(damaged)


def test_a_run_must_lie_behind_all_others() -> None:
    index, model = grown(1, 3)
    with pytest.raises(AssertionError):
        index.append(model[-1])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("runs", [1, 4, 5, 8, 23])
def test_what_lies_below_an_offset_is_dropped_and_the_rest_is_found_as_before(seed: int, runs: int) -> None:
    chance = random.Random(seed)
    index, model = grown(seed, runs)
    shared = list(index.freeze())
    for offset in sorted(chance.sample(range(model[-1].last_offset + 2), min(5, model[-1].last_offset))):
        gone = [run for run in model if run.last_offset < offset]
        model = [run for run in model if run.last_offset >= offset]
        assert index.drop_below(offset) == Counter(run.object_id for run in gone)
        again = restored(index.freeze())
        for one in (index, again):
            assert (one.find(0, 1000, 10**9), len(one)) == (model, len(model))
            assert one.bytes == sum(run.length for run in model)
            assert one.objects() == Counter(run.object_id for run in model)
            for run in model:
                assert one.find(run.last_offset, 1, 1) == [run]
                assert one.first_not_before(run.max_timestamp, run.base_offset) == [run]
        following = Run(100_000 + offset, 100_000 + offset, ObjectId(1), 0, 1, 1, 100_000 + offset)
        index.append(following)
        model.append(following)
    frozen = restored(shared)
    assert frozen.find(0, 1000, 10**9) == grown(seed, runs)[1], "what was frozen before stays as it was"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("runs", [1, 4, 5, 9, 23])
def test_runs_are_replaced_and_the_rest_is_found_as_before(seed: int, runs: int) -> None:
    chance = random.Random(seed)
    index, model = grown(seed, runs)
    shared = list(index.freeze())
    for _ in range(4):
        first = chance.randrange(len(model))
        replaced = model[first : first + chance.choice((1, 2, 5, 12))]
        new = replacement(chance, replaced)
        bounds = replaced[0].base_offset, replaced[-1].last_offset
        assert index.between(*bounds) == replaced
        assert index.replace(*bounds, new) == Counter(run.object_id for run in replaced)
        model[first : first + len(replaced)] = new
        for one in (index, restored(index.freeze())):
            assert (one.find(0, 1000, 10**9), len(one)) == (model, len(model))
            assert one.bytes == sum(run.length for run in model)
            assert one.objects() == Counter(run.object_id for run in model)
            for run in model:
                assert one.find(run.last_offset, 1, 1) == [run]
                assert one.first_not_before(run.max_timestamp, run.base_offset) == [run]
    end = model[-1].last_offset + 1
    following = Run(end, end, ObjectId(1), 0, 1, 1, end)
    index.append(following)
    assert index.find(0, 1000, 10**9) == [*model, following]
    assert restored(shared).find(0, 1000, 10**9) == grown(seed, runs)[1], "a snapshot taken before does not change"


def replacement(chance: random.Random, replaced: list[Run]) -> list[Run]:
    """Runs that a merge (one for all) or a compaction (some left out, the last offset kept) would put there."""
    base, last = replaced[0].base_offset, replaced[-1].last_offset
    if chance.random() < 0.5:
        return [Run(base, last, ObjectId(77), chance.randrange(99), chance.randint(1, 99), 39, base)]
    kept = [run for run in replaced[:-1] if chance.random() < 0.5]
    return [*kept, Run(last, last, ObjectId(78), 0, 1, 38, last, STORED_OFFSETS)]
