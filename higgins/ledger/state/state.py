"""State: the pure fold of all commits.

Every node folds the same commits in the same order into the same State. Only committed facts are folded into State
itself; what a commit not yet won would do is folded into a `Draft` over it.
"""

from collections.abc import Iterator, Sequence

from higgins.ledger.state.base import FACETS, FOLDED_BY_COMMIT, FOLDS, Draft, Facets, Fact, Moment, fold_fact
from higgins.ledger.state.cluster import Cluster
from higgins.ledger.state.configs import Configs
from higgins.ledger.state.facets import AnyFact
from higgins.ledger.state.groups import Groups
from higgins.ledger.state.identities import Identities, Part
from higgins.ledger.state.objects import Objects
from higgins.ledger.state.offsets import Offsets
from higgins.ledger.state.producers import Producers
from higgins.ledger.state.runs import Runs
from higgins.ledger.state.sessions import Sessions
from higgins.ledger.state.tasks import Tasks
from higgins.ledger.state.topics import Topics
from higgins.model.pointer import inline_payload

FACTS_PER_SLICE = 1000
"""How many facts are folded before other tasks get a turn."""

__all__ = ["FACTS_PER_SLICE", "AnyFact", "Draft", "State"]


class State(Facets):
    """All facets, and where in the ledger they stand. Read-only for everybody but the ledger.

    Facets are reached as `state[Topics]`; those below also as attributes, because everybody reads them.
    """

    cluster: Cluster
    configs: Configs
    groups: Groups
    identities: Identities
    objects: Objects
    offsets: Offsets
    producers: Producers
    runs: Runs
    sessions: Sessions
    tasks: Tasks
    topics: Topics

    def __init__(self) -> None:
        super().__init__({name: facet() for name, facet in FACETS.items()})
        self.number = 0
        """The newest folded commit; 0 before the first."""
        self.hash = bytes(32)
        """The hash of that commit's head."""
        self.time_ms = 0
        self.__dict__.update(self.by_name)

    def __repr__(self) -> str:
        return f"<State {self.number}>"

    @property
    def cluster_id(self) -> str:
        """The id of the cluster; empty before the first commit."""
        return self.cluster.id

    def draft(self, now_ms: int) -> Draft:
        """A draft of the next commit. Time never goes back, whatever this node's clock says."""
        number = self.number + 1
        return Draft(self, Moment(number, max(now_ms, self.time_ms)), inline_payload(number))

    def fold(
        self, moment: Moment, writer: int, parts: Sequence[Part], facts: Sequence[Fact], payload_bytes: int
    ) -> None:
        """Fold one commit in one step, which takes about a millisecond for `FACTS_PER_SLICE` facts.

        One record at a time is one commit at a time, so nothing here is split into functions that cost a call each.
        """
        number, facets = moment.number, self.by_name
        if payload_bytes:
            self.objects.add_payload(number, payload_bytes)
        for fact in facts:
            for name, fold in FOLDS[type(fact)]:
                fold(facets[name], fact, moment, self)
        sessions = self.sessions
        if writer in sessions.live:
            sessions.signs[writer] = number
        for part in parts:
            # A commit may end the session whose part it carries; then its proposals are never repeated.
            if part.epoch in sessions.live:
                self.identities.note(part)
                sessions.signs[part.epoch] = number
        for name in FOLDED_BY_COMMIT:
            facets[name].commit_folded(moment)
        self.time_ms = moment.time_ms
        self.number = number

    def fold_in_slices(
        self, moment: Moment, writer: int, parts: Sequence[Part], facts: Sequence[Fact], payload_bytes: int
    ) -> Iterator[None]:
        """Fold one commit. The iterator pauses after every `FACTS_PER_SLICE` facts and must be exhausted.

        While it is paused, nothing else may be folded or validated, but State may be read: each fact is complete by
        itself. `number` moves last, so that a reader who waits for a commit sees all of it.
        """
        start = 0
        while len(facts) - start > FACTS_PER_SLICE:
            if payload_bytes:
                self.objects.add_payload(moment.number, payload_bytes)
                payload_bytes = 0
            for fact in facts[start : start + FACTS_PER_SLICE]:
                fold_fact(self, fact, moment)
            start += FACTS_PER_SLICE
            yield
        self.fold(moment, writer, parts, facts[start:] if start else facts, payload_bytes)
