"""State: the pure fold of all commits, and drafts laid over it.

Every node folds the same facts in the same order into the same State. Only committed facts are folded into State
itself; what a commit not yet won would do is folded into a Draft.
"""

from functools import cached_property
from typing import TypeAlias

from higgins.ledger.state.base import Fact, Moment
from higgins.ledger.state.groups import GroupForgotten, Groups, GroupSaved
from higgins.ledger.state.identities import Identities, Resolved
from higgins.ledger.state.objects import ObjectPut, Objects
from higgins.ledger.state.offsets import Offsets, OffsetsCommitted
from higgins.ledger.state.producers import ProducerIdsGranted, Producers
from higgins.ledger.state.runs import Place, RunAppended, Runs
from higgins.ledger.state.sessions import LeaseTaken, SessionEnded, SessionJoined, Sessions, SignOfLife
from higgins.ledger.state.tasks import AssemblyApplied, TaskAdvanced, Tasks, TasksAttached, TasksDetached
from higgins.ledger.state.topics import TopicCreated, TopicDeleted, TopicOwned, Topics
from higgins.model.pointer import inline_payload


class ClusterFormed(Fact, frozen=True, tag=1):
    """The first fact of all."""

    cluster_id: str


AnyFact: TypeAlias = (
    ClusterFormed
    | TopicCreated
    | TopicDeleted
    | TopicOwned
    | ObjectPut
    | RunAppended
    | ProducerIdsGranted
    | SessionJoined
    | SessionEnded
    | LeaseTaken
    | SignOfLife
    | GroupSaved
    | GroupForgotten
    | OffsetsCommitted
    | AssemblyApplied
    | TasksAttached
    | TasksDetached
    | TaskAdvanced
)


class State:
    """Facets, and where in the ledger they stand. Read-only for everybody but the ledger."""

    def __init__(self) -> None:
        self.number = 0
        """The newest folded commit; 0 before the first."""
        self.hash = bytes(32)
        """SHA-256 of that commit's head."""
        self.time_ms = 0
        self.cluster_id = ""
        self.topics = Topics({}, {})
        self.objects = Objects({})
        self.producers = Producers({})
        self.runs = Runs({}, {})
        self.sessions = Sessions({}, {}, {})
        self.groups = Groups({})
        self.offsets = Offsets({})
        self.tasks = Tasks({}, {})
        self.identities = Identities({})

    def draft(self, epoch: int, time_ms: int) -> "Draft":
        """What the next commit, written by `epoch` at `time_ms`, would make of this."""
        return Draft(self, Moment(self.number + 1, max(self.time_ms, time_ms), epoch))

    def fold(self, facts: tuple[AnyFact, ...], moment: Moment, floor: int, resolved: tuple[Resolved, ...]) -> None:
        """Fold one commit; the caller has checked its number and its place in the chain."""
        for fact in facts:
            if isinstance(fact, ClusterFormed):
                self.cluster_id = fact.cluster_id
            elif isinstance(fact, SessionEnded):
                self.identities.forget(fact.epoch)
            fold_fact(self, fact, moment)
        # A commit may have ended the session that wrote it; then nobody will ask again.
        if moment.epoch in self.sessions.live:
            self.identities.note(moment.epoch, floor, resolved)
            self.sessions.note_sign(moment)
        self.producers.forget_idle(moment.time_ms)
        self.time_ms = moment.time_ms
        self.number = moment.number


class Draft:
    """An overlay on State for one commit not yet won. Facets are laid over on first use."""

    def __init__(self, state: State, moment: Moment) -> None:
        self._state = state
        self.moment = moment
        self.facts: list[Fact] = []
        self.payload_bytes = 0
        """Inline payload taken so far."""

    @property
    def is_first(self) -> bool:
        """Whether no cluster has been formed yet."""
        return self._state.number == 0

    @cached_property
    def topics(self) -> Topics:
        return self._state.topics.draft()

    @cached_property
    def objects(self) -> Objects:
        return self._state.objects.draft()

    @cached_property
    def producers(self) -> Producers:
        return self._state.producers.draft()

    @cached_property
    def runs(self) -> Runs:
        return self._state.runs.draft()

    @cached_property
    def sessions(self) -> Sessions:
        return self._state.sessions.draft()

    @cached_property
    def groups(self) -> Groups:
        return self._state.groups.draft()

    @cached_property
    def offsets(self) -> Offsets:
        return self._state.offsets.draft()

    @cached_property
    def tasks(self) -> Tasks:
        return self._state.tasks.draft()

    @property
    def place(self) -> Place:
        """Where the payload of the next inline proposal would lie."""
        return Place(inline_payload(self.moment.number), self.payload_bytes)

    def add(self, facts: list[Fact]) -> None:
        """Take facts into the draft; later proposals of the same commit see them."""
        for fact in facts:
            fold_fact(self, fact, self.moment)
        self.facts += facts


def fold_fact(into: State | Draft, fact: Fact, moment: Moment) -> None:
    """Hand a fact to the facets it concerns."""
    match fact:
        case RunAppended():
            into.runs.fold(fact, moment, into.objects, into.producers)
        case OffsetsCommitted():
            into.offsets.fold(fact, moment)
        case TaskAdvanced() | TasksAttached() | TasksDetached() | AssemblyApplied():
            into.tasks.fold(fact, moment)
        case ObjectPut():
            into.objects.fold(fact, moment)
        case GroupSaved() | GroupForgotten():
            into.groups.fold(fact, moment)
        case SessionJoined() | SessionEnded() | LeaseTaken() | SignOfLife():
            into.sessions.fold(fact, moment)
        case ProducerIdsGranted():
            into.producers.fold(fact, moment)
        case TopicDeleted():
            into.runs.forget_topic(fact, into.topics.by_id[fact.topic_id].partitions, into.objects)
            into.producers.forget_topic(fact.topic_id)
            into.offsets.forget_topic(fact.topic_id)
            into.topics.fold(fact, moment)
        case TopicCreated() | TopicOwned():
            into.topics.fold(fact, moment)
        case ClusterFormed():
            pass
        case _:
            raise AssertionError(f"no facet folds {fact!r}")
