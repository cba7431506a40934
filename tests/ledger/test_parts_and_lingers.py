"""Parts of a commit, identities that are repeated, long folds, and proposals that linger."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from higgins.ledger.committer import Outcome, Submission
from higgins.ledger.ledger import Ledger
from higgins.ledger.state import state as state_module
from higgins.ledger.state.facets import encode_proposal
from higgins.ledger.state.identities import Identity
from higgins.ledger.state.offsets import CommitOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.topics import CreateTopic
from higgins.model.errors import Fenced, Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from tests.ledger.nodes import TOPIC, beside, commits, make_topic, put, running, until
from tests.storage.fakes import TRAITS, FakeStore


def creation(name: str) -> bytes:
    return encode_proposal(CreateTopic(name, TopicId(name.encode().ljust(16, b".")), 1))


async def test_a_commit_carries_proposals_of_several_sessions_each_in_its_part(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as writer, running(beside(store), 9093) as other:
        await writer.barrier()
        assert writer.session is not None and other.session is not None
        outcomes: list[Outcome] = []
        own, foreign = writer.session.epoch, other.session.epoch
        lease = encode_proposal(TakeLease(_resource_of(writer, foreign)))
        committer = writer._committer
        committer.propose(Identity(foreign, 70), creation("foreign"), outcomes.append, floor=60)
        committer.propose(Identity(own, 900), creation("own"), outcomes.append, floor=900)
        committer.propose(Identity(foreign, 71), lease, outcomes.append, floor=60)
        await trio.sleep(1)
        assert [outcome.error for outcome in outcomes] == [None, None, None]
        head = next(commit.head for commit in commits(store) if len(commit.head.parts) > 1)
        assert {(part.epoch, part.floor): [row.counter for row in part.resolved] for part in head.parts} == {
            (foreign, 60): [70, 71],
            (own, 900): [900],
        }
        assert head.writer == own
        assert writer.state.sessions.leases[_resource_of(writer, foreign)].session_epoch == foreign


def _resource_of(ledger: Ledger, epoch: int) -> str:
    """A resource whose rendezvous owner is this session."""
    names = (f"group/{i}" for i in range(1000))
    owners = {name: ledger.state.sessions.owner(name) for name in names}
    return next(name for name, owner in owners.items() if owner is not None and owner.epoch == epoch)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same node", "another node"])
async def test_a_repeated_identity_is_answered_with_the_first_result(
    autojump_clock: MockClock, elsewhere: bool
) -> None:
    store = FakeStore()
    async with running(store) as writer, running(beside(store), 9093) as other:
        assert writer.session is not None
        outcomes: list[Outcome] = []
        lease = encode_proposal(TakeLease(_resource_of(writer, writer.session.epoch)))
        identity = Identity(writer.session.epoch, 500)
        writer._committer.propose(identity, lease, outcomes.append)
        await until(lambda: len(outcomes) == 1)
        await other.barrier()
        number = len(commits(store))
        (other if elsewhere else writer)._committer.propose(identity, lease, outcomes.append)
        await until(lambda: len(outcomes) == 2)
        assert outcomes[0].result == outcomes[1].result > 0
        assert len(commits(store)) == number, "a repeat writes nothing"


async def test_a_proposal_below_its_sessions_floor_takes_no_effect(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        assert ledger.session is not None
        outcomes: list[Outcome] = []
        ledger._committer.propose(Identity(ledger.session.epoch, 500), creation("a"), outcomes.append, floor=500)
        await trio.sleep(1)
        ledger._committer.propose(Identity(ledger.session.epoch, 400), creation("b"), outcomes.append, floor=400)
        await trio.sleep(1)
        assert "a" in ledger.state.topics.by_name and "b" not in ledger.state.topics.by_name
        assert outcomes[1] == Outcome(None)


async def test_a_proposal_of_a_session_that_ended_is_fenced(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        outcomes: list[Outcome] = []
        ledger._committer.propose(Identity(99, 1), creation("a"), outcomes.append)
        ledger._committer.propose(Identity(0, 1), creation("b"), outcomes.append)
        await trio.sleep(1)
        assert [type(outcome.error) for outcome in outcomes] == [Fenced, Fenced]
        assert commits(store)[-1].head.facts[0].__class__.__name__ == "SessionJoined"


def test_bytes_that_are_no_proposal_are_refused_where_they_arrive() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Submission(Identity(1, 1), msgspec.msgpack.encode([999, 1]), lambda outcome: None)


# ---- long folds -----------------------------------------------------------------------------------------------------


async def test_a_long_fold_gives_others_a_turn_and_shows_its_number_last(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "FACTS_PER_SLICE", 10)
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093) as follower:
        seen: list[tuple[int, int]] = []
        before = follower.state.number

        async def watch() -> None:
            while True:
                seen.append((follower.state.number, len(follower.state.topics.by_name)))
                await trio.lowlevel.checkpoint()

        await ledger.propose_all([CreateTopic(f"t{i}", TopicId(i.to_bytes(16, "big")), 1) for i in range(100)])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await follower.barrier()
            nursery.cancel_scope.cancel()
        counts = {topics for number, topics in seen if number == before}
        assert len(counts) >= 4, "other tasks ran between the slices"
        assert all(topics == 100 for number, topics in seen if number > before)


async def test_a_fold_that_is_cancelled_is_finished_first(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "FACTS_PER_SLICE", 10)
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093) as follower:
        await ledger.propose_all([CreateTopic(f"t{i}", TopicId(i.to_bytes(16, "big")), 1) for i in range(100)])
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follower._tip.check)
                while not follower.state.topics.by_name:
                    await trio.lowlevel.checkpoint()
                scope.cancel()
        assert follower.state.number >= ledger.state.number and len(follower.state.topics.by_name) == 100
        await follower.barrier()


# ---- lingering ------------------------------------------------------------------------------------------------------


async def test_offset_commits_linger_after_a_commit_and_everything_else_takes_them_along(
    autojump_clock: MockClock,
) -> None:
    store = FakeStore(msgspec.structs.replace(TRAITS, linger_ms=250))
    async with running(store) as ledger:
        await make_topic(ledger)
        lease = await ledger.propose(TakeLease(group_resource("g")))

        async def commit() -> float:
            began = trio.current_time()
            await ledger.propose(CommitOffsets("g", lease, (OffsetToCommit(TOPIC, 0, 1, -1, ""),)))
            return trio.current_time() - began

        await trio.sleep(1)
        assert await commit() < 0.05, "a lone commit does not wait"
        number = ledger.state.number
        took: list[float] = []
        async with trio.open_nursery() as nursery:
            for _ in range(5):

                async def one() -> None:
                    took.append(await commit())

                nursery.start_soon(one)
                await trio.sleep(0.01)
        assert ledger.state.number == number + 1, "five offset commits share one commit"
        assert 0.15 <= max(took) <= 0.3
        async with trio.open_nursery() as nursery:
            nursery.start_soon(commit)
            await trio.sleep(0.01)
            began = trio.current_time()
            await put(ledger)
            assert trio.current_time() - began < 0.05, "what does not linger takes the others along"
        assert ledger.state.number == number + 2


async def test_a_refusal_does_not_linger_past_its_linger(autojump_clock: MockClock) -> None:
    store = FakeStore(msgspec.structs.replace(TRAITS, linger_ms=250))
    async with running(store) as ledger:
        with pytest.raises(Refused) as refusal:
            await ledger.propose(CommitOffsets("g", 1, ()))
        assert refusal.value.code == ErrorCode.NOT_COORDINATOR
