"""State: the pure fold of all commits, and drafts laid over it.

Every node folds the same facts in the same order into the same State. Only committed facts are folded into State
itself; what a commit not yet won would do is folded into a Draft.
"""

from collections import OrderedDict
from typing import TypeAlias

from higgins.ledger.state.base import Fact, Moment
from higgins.ledger.state.configs import Configs, ResourceConfigured
from higgins.ledger.state.groups import GroupForgotten, Groups, GroupSaved
from higgins.ledger.state.identities import Identities, Resolved
from higgins.ledger.state.objects import ObjectPut, Objects
from higgins.ledger.state.offsets import Offsets, OffsetsCommitted, OffsetsDeleted
from higgins.ledger.state.producers import ProducerIdsGranted, Producers
from higgins.ledger.state.runs import Place, RecordsDeleted, RunAppended, Runs
from higgins.ledger.state.sessions import LeaseTaken, SessionEnded, SessionJoined, Sessions, SignOfLife
from higgins.ledger.state.tasks import AssemblyApplied, TaskAdvanced, Tasks, TasksAttached, TasksDetached, TasksExtended
from higgins.ledger.state.topics import PartitionsAdded, TopicConfigured, TopicCreated, TopicDeleted, TopicOwned, Topics
from higgins.model.pointer import inline_payload


class ClusterFormed(Fact, frozen=True, tag=1):
    """The first fact of all."""

    cluster_id: str


AnyFact: TypeAlias = (
    ClusterFormed
    | TopicCreated
    | TopicDeleted
    | TopicOwned
    | TopicConfigured
    | PartitionsAdded
    | RecordsDeleted
    | OffsetsDeleted
    | TasksExtended
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
    | ResourceConfigured
)


class State:
    """Facets, and where in the ledger they stand. Read-only for everybody but the ledger."""

    def __init__(self) -> None:
        self.number = 0
        """The newest folded commit; 0 before the first."""
        self.hash = bytes(32)
        """The hash of that commit's head."""
        self.time_ms = 0
        self.cluster_id = ""
        self.topics = Topics({}, {})
        self.objects = Objects({})
        # Ordered, because a plain dict is slow to name its first key once many before it were deleted.
        self.producers = Producers(OrderedDict())
        self.runs = Runs({}, {}, {})
        self.sessions = Sessions({}, {}, {})
        self.groups = Groups({})
        self.offsets = Offsets({})
        self.tasks = Tasks({}, {})
        self.configs = Configs({})
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
    """An overlay on State for one commit not yet won.

    Facts are folded only when another proposal is judged after them: a commit of one proposal lays nothing over, and
    reads State's own facets.
    """

    def __init__(self, state: State, moment: Moment) -> None:
        self.topics = state.topics
        self.objects = state.objects
        self.producers = state.producers
        self.runs = state.runs
        self.sessions = state.sessions
        self.groups = state.groups
        self.offsets = state.offsets
        self.tasks = state.tasks
        self.configs = state.configs
        self._is_overlay = False
        self._unfolded: list[Fact] = []
        self.is_first = not state.number
        """Whether no cluster has been formed yet."""
        self.moment = moment
        self.facts: list[Fact] = []
        self.payload_bytes = 0
        """Inline payload taken so far."""

    @property
    def place(self) -> Place:
        """Where the payload of the next inline proposal would lie."""
        return Place(inline_payload(self.moment.number), self.payload_bytes)

    def add(self, facts: list[Fact]) -> None:
        """Take facts into the commit."""
        self.facts += facts
        self._unfolded += facts

    def settle(self) -> None:
        """Make the facts taken so far visible to the next proposal."""
        if not self._unfolded:
            return
        if not self._is_overlay:
            self._lay_over()
        unfolded, self._unfolded = self._unfolded, []
        for fact in unfolded:
            fold_fact(self, fact, self.moment)

    def _lay_over(self) -> None:
        self._is_overlay = True
        self.topics = self.topics.draft()
        self.objects = self.objects.draft()
        self.producers = self.producers.draft()
        self.runs = self.runs.draft()
        self.sessions = self.sessions.draft()
        self.groups = self.groups.draft()
        self.offsets = self.offsets.draft()
        self.tasks = self.tasks.draft()
        self.configs = self.configs.draft()


def fold_fact(into: State | Draft, fact: Fact, moment: Moment) -> None:
    """Hand a fact to the facets it concerns."""
    match fact:
        case RunAppended():
            into.runs.fold(fact, moment, into.objects, into.producers)
        case OffsetsCommitted() | OffsetsDeleted():
            into.offsets.fold(fact, moment)
        case TaskAdvanced() | TasksAttached() | TasksDetached() | TasksExtended() | AssemblyApplied():
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
        case RecordsDeleted():
            into.runs.fold_deletion(fact, into.objects)
        case TopicCreated() | TopicOwned() | TopicConfigured() | PartitionsAdded():
            into.topics.fold(fact, moment)
        case ResourceConfigured():
            into.configs.fold(fact, moment)
        case ClusterFormed():
            pass
        case _:
            raise AssertionError(f"no facet folds {fact!r}")
