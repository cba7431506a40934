"""What State keeps, and what it forgets: producers, ids, results, objects, each within its bound."""

import pytest

from higgins.ledger.snapshot import digest
from higgins.ledger.state import identities, producers, tasks
from higgins.ledger.state.identities import Identity
from higgins.ledger.state.objects import InlinePayloads, PayloadRow
from higgins.ledger.state.producers import PRODUCER_RETENTION_MS, GrantProducerIds
from higgins.ledger.state.sessions import JoinSession, LeaveSession, SignalLiveness
from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition
from higgins.ledger.state.topics import CreateTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import Chronicle, append, idempotent, plain

GAP = -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
UNKNOWN = -ErrorCode.UNKNOWN_PRODUCER_ID
DUPLICATE = -ErrorCode.DUPLICATE_SEQUENCE_NUMBER
HOUR_MS = 3_600_000


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


# ---- producers ------------------------------------------------------------------------------------------------------


def known(chronicle: Chronicle) -> set[int]:
    return {producer_id for _, _, producer_id in chronicle.state.producers.records}


def test_a_producer_is_forgotten_a_day_after_its_last_write_not_its_first(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 2)
    a, b = (chronicle.one(GrantProducerIds(1)) for _ in range(2))
    for producer_id in (a, b):
        chronicle.one(append(topic, idempotent(producer_id, 0)))
    chronicle.now_ms += 12 * HOUR_MS
    chronicle.one(append(topic, idempotent(a, 1)))
    chronicle.now_ms += 12 * HOUR_MS - 1
    chronicle.one(SignalLiveness())
    assert known(chronicle) == {a, b}
    chronicle.now_ms += 1
    chronicle.one(SignalLiveness())
    assert known(chronicle) == {a}
    # The one that is known goes on; the other may begin anywhere.
    assert chronicle.one(append(topic, idempotent(a, 3), idempotent(a, 2), idempotent(b, 70)))[0] == GAP
    chronicle.now_ms += PRODUCER_RETENTION_MS
    chronicle.one(SignalLiveness())
    assert known(chronicle) == set()


def test_many_idle_producers_are_forgotten_in_one_commit(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 1)
    first = chronicle.one(GrantProducerIds(10))
    for producer_id in range(first, first + 10):
        chronicle.one(append(topic, idempotent(producer_id, 0)))
    chronicle.now_ms += PRODUCER_RETENTION_MS
    chronicle.one(SignalLiveness())
    assert known(chronicle) == set()


def test_an_id_counts_as_new_for_a_day(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 1)
    first = chronicle.one(GrantProducerIds(3))
    chronicle.now_ms += PRODUCER_RETENTION_MS - 1
    for producer_id in range(first, first + 3):
        assert chronicle.one(append(topic, idempotent(producer_id, 5))) == [UNKNOWN]
    # Ids that this cluster has not granted lately, before and behind the block, may have written before.
    assert chronicle.one(append(topic, idempotent(first + 3, 5), idempotent(first - 1, 5))) == [0, 1]
    chronicle.now_ms += 1
    assert chronicle.one(append(topic, idempotent(first, 5))) == [2]


def test_the_newest_grants_are_remembered(chronicle: Chronicle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producers, "GRANTS_REMEMBERED", 4)
    granted = [chronicle.one(GrantProducerIds(2)) for _ in range(7)]
    assert granted == list(range(granted[0], granted[0] + 14, 2))
    assert [grant.first for grant in chronicle.state.producers.grants] == granted[-4:]
    assert [chronicle.state.producers.is_fresh(each, chronicle.now_ms) for each in granted] == [False] * 3 + [True] * 4


def test_a_repeat_of_part_of_an_older_batch_has_its_offset(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 1)
    producer_id = chronicle.one(GrantProducerIds(1))
    for sequence, count in ((0, 4), (4, 1), (5, 3)):
        chronicle.one(append(topic, idempotent(producer_id, sequence, count)))

    def send(sequence: int, count: int) -> int:
        offset: int = chronicle.one(append(topic, idempotent(producer_id, sequence, count)))[0]
        return offset

    assert [send(0, 4), send(1, 3), send(3, 1), send(4, 1), send(5, 3), send(7, 1)] == [0, 1, 3, 4, 5, 7]
    assert send(3, 2) == DUPLICATE, "it covers two batches, which no client sends"
    assert send(7, 2) == GAP, "its last record is new"
    assert send(8, 1) == 8


def test_after_the_sequence_2147483647_comes_0(chronicle: Chronicle) -> None:
    topic, unknown_id, last = chronicle.topic("t", 1), 77, 2_147_483_647
    sequences = [last - 1, last, 0, 1]
    for offset, sequence in enumerate(sequences):
        assert chronicle.one(append(topic, idempotent(unknown_id, sequence))) == [offset]
    for offset, sequence in enumerate(sequences):
        assert chronicle.one(append(topic, idempotent(unknown_id, sequence))) == [offset]
    # A batch may wrap inside, and the one after it continues there.
    other_id = 78
    assert chronicle.one(append(topic, idempotent(other_id, last - 1, 4))) == [4]
    assert chronicle.one(append(topic, idempotent(other_id, 3))) == [GAP]
    assert chronicle.one(append(topic, idempotent(other_id, 2))) == [8]
    assert chronicle.one(append(topic, idempotent(other_id, 0, 2))) == [6]


def test_sequences_continue_over_a_snapshot(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 1)
    producer_id = chronicle.one(GrantProducerIds(1))
    for sequence in range(7):
        chronicle.one(append(topic, idempotent(producer_id, sequence)))
    again = chronicle.restored()
    results = again.one(append(topic, *[idempotent(producer_id, sequence) for sequence in (6, 2, 1, 7)]))
    assert results == [6, 2, DUPLICATE, 7]
    assert again.one(GrantProducerIds(1)) == producer_id + 1
    assert again.one(append(topic, idempotent(producer_id + 1, 3))) == [UNKNOWN], "the grant is remembered, too"


# ---- results of proposals -------------------------------------------------------------------------------------------


def test_results_are_forgotten_when_a_session_ends(chronicle: Chronicle) -> None:
    own = chronicle.epoch
    for port in range(5):
        chronicle.epoch = chronicle.join(9100 + port)
        chronicle.one(SignalLiveness())
        chronicle.one(SignalLiveness())
        chronicle.one(LeaveSession())
    chronicle.epoch = own
    chronicle.one(SignalLiveness())
    assert {row.epoch for row in next(chronicle.state.identities.freeze())} == {own}


def test_results_above_the_floor_are_bounded_and_none_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "RESULTS_MAX", 10)
    facet = identities.Identities()
    for counter in range(1, 41):
        facet.note(identities.Part(7, 1, (identities.Resolved(counter, counter * 100),)))
    ((row,),) = facet.freeze()
    assert row.results == [(counter, counter * 100) for counter in range(31, 41)]
    for counter in range(1, 41):
        assert facet.is_known(Identity(7, counter)), "what was dropped must not take effect again"
        assert facet.result(Identity(7, counter)) == (counter * 100 if counter > 30 else None)
    assert not facet.is_known(Identity(7, 41))


def test_the_floor_of_a_session_never_goes_back() -> None:
    facet = identities.Identities()
    facet.note(identities.Part(7, 20, (identities.Resolved(20, "a"),)))
    facet.note(identities.Part(7, 5, (identities.Resolved(22, "b"),)))
    assert [facet.is_known(Identity(7, counter)) for counter in (4, 19, 20, 21, 22, 23)] == [
        True, True, True, False, True, False,
    ]  # fmt: skip
    facet.note(identities.Part(7, 22, ()))
    ((row,),) = facet.freeze()
    assert (row.floor, row.results) == (22, [(22, "b")])


def test_results_survive_a_snapshot(chronicle: Chronicle) -> None:
    chronicle.commit(GrantProducerIds(5), SignalLiveness())
    again = chronicle.restored()
    for counter in (chronicle.counter - 1, chronicle.counter):
        identity = Identity(chronicle.epoch, counter)
        assert again.state.identities.is_known(identity)
        assert again.state.identities.result(identity) == chronicle.state.identities.result(identity)
    assert not again.state.identities.is_known(Identity(chronicle.epoch, chronicle.counter + 1))


# ---- inline payloads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(0, 0, 0), (8, 8, 16), (8, 16, 8), (16, 8, 8), (0, 8, 8)])
def test_columns_of_payloads_that_do_not_fit_are_refused(lengths: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="differ"):
        InlinePayloads().restore(PayloadRow(*(memoryview(bytes(length)) for length in lengths)))


# ---- limits of sets -------------------------------------------------------------------------------------------------


def test_operators_are_bounded_in_number(chronicle: Chronicle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASK_SETS_MAX", 2)
    source = chronicle.topic("in", 1)

    def add(i: int) -> None:
        output = TopicId(f"out{i}".encode().ljust(16, b"."))
        attach = AttachTasks(f"op{i}", 1, (source,), (output,), b"", ((InputPosition(source, 0, 0),),))
        chronicle.one(ApplyTopography(i, (CreateTopic(f"out{i}", output, 1),), (attach,), (), b""))

    add(0)
    add(1)
    with pytest.raises(Refused, match="limit"):
        add(2)
    assert len(chronicle.state.tasks.sets) == 2


def test_node_ids_are_bounded_and_an_id_is_free_again_after_its_node(
    chronicle: Chronicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("higgins.ledger.state.sessions.NODES_MAX", 3)
    epochs = [chronicle.join(port) for port in (9093, 9094)]
    assert {session.node_id for session in chronicle.state.sessions.live.values()} == {1, 2, 3}
    assert chronicle.refusal(JoinSession(None, (), 10_000)) == ErrorCode.INVALID_REQUEST
    chronicle.leave(epochs[0])
    joined = chronicle.join(9095)
    assert chronicle.state.sessions.live[joined].node_id == 2


def test_a_state_with_nothing_left_in_it_equals_one_restored_from_it(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 3)
    for partition in range(3):
        chronicle.one(append(topic, plain(5), partition=partition))
    again = chronicle.restored()
    assert digest(again.state) == digest(chronicle.state)
