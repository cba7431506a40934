"""Identities of proposals: what a node has proposed and what came of it, so that nothing happens twice.

An identity is (node epoch, counter). Below a node's floor everything is resolved and forgotten.
"""

import msgspec

from higgins.ledger.state.base import Result

RESULTS_MAX = 1000
"""Resolved proposals remembered for each live node epoch, above its floor."""


class Resolved(msgspec.Struct, frozen=True, array_like=True):
    """A proposal of this commit's node, and its result."""

    counter: int
    result: Result


class Identities:
    """The facet of identities. Written by the commit itself, not by facts."""

    def __init__(self, results: dict[int, dict[int, Result]]) -> None:
        self._results = results

    def result(self, epoch: int, counter: int) -> tuple[bool, Result]:
        """Whether the proposal has been committed, and what came of it."""
        results = self._results.get(epoch)
        if results is None or counter not in results:
            return False, None
        return True, results[counter]

    def note(self, epoch: int, floor: int, resolved: tuple[Resolved, ...]) -> None:
        """A commit of a node: its floor moves up, its new results are remembered."""
        results = self._results.setdefault(epoch, {})
        for counter in list(results):
            if counter >= floor:
                break
            del results[counter]
        for row in resolved:
            results[row.counter] = row.result
        while len(results) > RESULTS_MAX:
            del results[next(iter(results))]

    def forget(self, epoch: int) -> None:
        """The session has ended; nothing of it will be asked for again."""
        self._results.pop(epoch, None)

    def freeze(self) -> list[tuple[int, list[tuple[int, Result]]]]:
        return [(epoch, list(results.items())) for epoch, results in self._results.items()]

    @staticmethod
    def restore(frozen: list[tuple[int, list[tuple[int, Result]]]]) -> "Identities":
        return Identities({epoch: dict(results) for epoch, results in frozen})
