"""Identities of proposals: what each node has proposed and what came of it, so that nothing takes effect twice.

An identity is (session epoch, counter). A node raises its floor with its commits: everything below is resolved, and
its results are forgotten.
"""

from collections.abc import Iterator, Sequence

import msgspec

from higgins.ledger.state.base import Facet, Facets, Moment, Result, folds
from higgins.ledger.state.sessions import SessionEnded

RESULTS_MAX = 1000
"""Results remembered for each live session, above its floor."""


class Identity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who proposed: the session epoch of the node, and the proposal's number within that session."""

    epoch: int
    counter: int


class Resolved(msgspec.Struct, frozen=True, array_like=True):
    """A proposal that this commit makes true, and its result."""

    counter: int
    result: Result


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The part of a commit that belongs to one node: whose proposals it carries and what became of them."""

    epoch: int
    floor: int
    """All proposals of this session below this counter are resolved."""
    resolved: tuple[Resolved, ...]


class SessionResults(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot row: what is remembered of one session."""

    epoch: int
    floor: int
    results: list[tuple[int, Result]]


class _Results:
    __slots__ = ("by_counter", "floor")

    def __init__(self, floor: int, by_counter: dict[int, Result]) -> None:
        self.floor = floor
        self.by_counter = by_counter


class Identities(Facet, name="identities"):
    """The facet of identities. It is written from the parts of a commit, not by facts."""

    ROW = SessionResults

    def __init__(self) -> None:
        self._sessions: dict[int, _Results] = {}

    def draft(self) -> "Identities":
        # A draft is validated against the results that are committed; its own facts add none.
        return Identities()

    def is_known(self, identity: Identity) -> bool:
        """Whether the proposal has been committed before, or lies below its session's floor."""
        results = self._sessions.get(identity.epoch)
        return results is not None and (identity.counter < results.floor or identity.counter in results.by_counter)

    def result(self, identity: Identity) -> Result:
        """The result of a known proposal; None for one below the floor, whose result is no longer needed."""
        return self._sessions[identity.epoch].by_counter.get(identity.counter)

    def note(self, part: Part) -> None:
        """A commit with proposals of a live session: its floor rises, its new results are remembered."""
        results = self._sessions.get(part.epoch)
        if results is None:
            results = self._sessions[part.epoch] = _Results(part.floor, {})
        by_counter = results.by_counter
        results.floor = max(results.floor, part.floor)
        for counter in list(by_counter):
            if counter >= results.floor:
                break
            del by_counter[counter]
        for resolved in part.resolved:
            by_counter[resolved.counter] = resolved.result
        while len(by_counter) > RESULTS_MAX:
            # A proposal whose result was dropped must not be committed again.
            oldest = next(iter(by_counter))
            results.floor = max(results.floor, oldest + 1)
            del by_counter[oldest]

    @folds(SessionEnded)
    def _forget(self, fact: SessionEnded, moment: Moment, state: Facets) -> None:
        """Drop the results of a session that ended: its proposals are never repeated."""
        self._sessions.pop(fact.epoch, None)

    def freeze(self) -> Iterator[Sequence[SessionResults]]:
        yield [
            SessionResults(epoch, results.floor, list(results.by_counter.items()))
            for epoch, results in self._sessions.items()
        ]

    def restore(self, level: int, rows: Sequence[SessionResults]) -> None:
        for row in rows:
            self._sessions[row.epoch] = _Results(row.floor, dict(row.results))
