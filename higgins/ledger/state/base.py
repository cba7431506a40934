"""What facts, proposals and facets have in common, and how a fact finds the facets that fold it.

State is made of *facets*: topics, runs, sessions and so on. One file holds everything about a facet: its facts (what a
commit records), its proposals with their validation (what a node asks for), and the `Facet` class with its fold,
draft and snapshot. A facet registers itself by being imported in `facets.py`; the unions of facts and proposals, the
dispatch of folds and the sections of snapshots are derived from the classes.

    class Thing(Facet, name="things"):
        def draft(self) -> "Thing": ...
        def freeze(self) -> Iterator[list[Row]]: ...
        def restore(self, level: int, rows: list[Row]) -> None: ...

        @folds(ThingCreated)
        def _create(self, fact: ThingCreated, moment: Moment, state: Facets) -> None: ...
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from higgins.model.names import TopicId
from higgins.model.pointer import ObjectId

R = TypeVar("R")
F = TypeVar("F", bound="Facet")
AnyFact = TypeVar("AnyFact", bound="Fact")
T = TypeVar("T")

Result: TypeAlias = Any
"""What a committed proposal answers; MessagePack's own types only, because a repeat is answered from State."""

ROWS_PER_SLICE = 10_000
"""How many rows of a facet are copied for a snapshot before other tasks get a turn."""


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One change, as written in a commit. Fields are only ever added at the end, with a default."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """Where a fact stands: the number and the time of its commit."""

    number: int
    time_ms: int


class PayloadPlace(msgspec.Struct, frozen=True, gc=False):
    """Where the inline payload of a proposal lies: the commit's own id as an object, and the first byte's position."""

    object_id: ObjectId
    position: int


class Proposal(msgspec.Struct, Generic[R], frozen=True, array_like=True):
    """A change that a node asks for, all of it or nothing. It names topic ids, never topic names.

    `R` is the type of its result. A proposal is validated on whichever node writes the commit, perhaps another than the
    one that made it, so it is a tagged struct that can be sent. The session epoch of its maker is not a field: it is
    part of the proposal's identity, and validation finds it in `draft.epoch`.
    """

    lingers: ClassVar[bool] = False
    """Whether the committer may hold it back for up to a linger, to share a commit with others."""
    needs_session: ClassVar[bool] = True
    """Whether only a node with a live session may propose it."""

    def validate(self, draft: "Draft") -> "tuple[Sequence[Fact], R]":
        """The facts that make it true, and its result. Pure. Raises: Refused, having changed nothing."""
        raise NotImplementedError


class Facets:
    """State, or a draft of it: facets, by class."""

    def __init__(self, by_name: "dict[str, Facet]") -> None:
        self.by_name = by_name
        """All facets, by name."""

    def __getitem__(self, facet: type[F]) -> F:
        return self.by_name[facet.name]  # type: ignore[return-value]  # a cast would cost a call


class Draft(Facets):
    """What State would be after the facts of a commit that has not been won yet.

    A proposal is validated against a draft, so that it sees the proposals before it in the same commit. Facts are
    folded only when another proposal follows: a commit of one proposal lays nothing over State and reads its facets.
    """

    def __init__(self, state: Facets, moment: Moment, payload: ObjectId) -> None:
        """`payload` is the object id of the commit's own inline payload."""
        self.by_name = state.by_name
        self._is_overlay = False
        self._unfolded: list[Fact] = []
        self.moment = moment
        self.epoch = 0
        """The session epoch of the node whose proposal is being validated; 0 for a node without a session."""
        self.facts: list[Fact] = []
        self.payload_bytes = 0
        """Inline payload accepted so far."""
        self._payload = payload

    @property
    def place(self) -> PayloadPlace:
        """Where the payload of the next inline proposal would lie."""
        return PayloadPlace(self._payload, self.payload_bytes)

    def validate(self, proposal: Proposal[R], epoch: int, payload_bytes: int = 0) -> R:
        """Validate a proposal of a session epoch and accept its facts. Raises: Refused, leaving the draft as it was.

        `payload_bytes` is the inline payload that comes with the proposal, and is stored if any fact is accepted.
        """
        if self._unfolded:
            self._fold_accepted()
        self.epoch = epoch
        facts, result = proposal.validate(self)
        if facts:
            self.facts += facts
            self._unfolded += facts
            self.payload_bytes += payload_bytes
        return result

    def _fold_accepted(self) -> None:
        if not self._is_overlay:
            self._is_overlay = True
            self.by_name = {name: facet.draft() for name, facet in self.by_name.items()}
        unfolded, self._unfolded = self._unfolded, []
        for fact in unfolded:
            fold_fact(self, fact, self.moment)


class Facet:
    """One part of State.

    Folds, drafts and snapshots are deterministic: nodes that have folded the same commits have equal facets.
    """

    name: ClassVar[str]
    LEVEL: ClassVar[int] = 1
    """The level of its snapshot rows. Raise it when their layout changes; `restore` keeps reading the lower ones."""
    ROW: ClassVar[Any] = Any
    """The type of a snapshot row, for the decoder."""

    def __init_subclass__(cls, *, name: str, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        assert FACETS.get(name, cls).__qualname__ == cls.__qualname__, f"two facets are named '{name}'"
        cls.name = name
        FACETS[name] = cls
        if "commit_folded" in vars(cls):
            FOLDED_BY_COMMIT.append(name)
        for attribute in vars(cls).values():
            for fact in getattr(attribute, "folded_facts", ()):
                _register_fold(fact, cls, attribute)

    def draft(self: F) -> F:
        """A facet that reads through to this one and keeps its changes to itself."""
        raise NotImplementedError

    def freeze(self) -> Iterator[Sequence[Any]]:
        """The rows of a snapshot, in slices that each take about a millisecond.

        Nothing is folded while the slices are taken; afterwards the rows are encoded in a thread while commits are
        folded, so a row holds immutable values, or copies.
        """
        raise NotImplementedError

    def restore(self, level: int, rows: Sequence[Any]) -> None:
        """Add rows that `freeze` gave; called once for each slice, on an empty facet at first. Raises: ValueError."""
        raise NotImplementedError

    def commit_folded(self, moment: Moment) -> None:
        """Called after all facts of each commit, in facets that define it: for what happens by commit time alone."""

    def user_of_topic(self, topic_id: TopicId) -> str:
        """What in this facet keeps the topic from being deleted, as the name of an operator; empty for nothing."""
        return ""


FACETS: dict[str, type[Facet]] = {}
"""Every facet by its name. The name is its section in snapshots."""

FOLDED_BY_COMMIT: list[str] = []
"""The facets that define `commit_folded`."""

Fold: TypeAlias = Callable[[Any, Any, Moment, Facets], None]

FOLDS: dict[type[Fact], list[tuple[str, Fold]]] = {}
"""For each fact, the facets that fold it, in order."""


def folds(*facts: type[AnyFact]) -> "Callable[[Callable[[F, AnyFact, Moment, Facets], None]], Callable[[F, AnyFact, Moment, Facets], None]]":  # fmt: skip  # noqa: E501
    """Mark a method of a facet as the one that folds these facts, its own or another facet's."""

    def mark(method: Callable[[F, AnyFact, Moment, Facets], None]) -> Callable[[F, AnyFact, Moment, Facets], None]:
        method.folded_facts = facts  # type: ignore[attr-defined]
        return method

    return mark


def _register_fold(fact: type[Fact], facet: type[Facet], fold: Fold) -> None:
    """Facets that react to another facet's fact come first, so that they still see what it is about to change."""
    entries = FOLDS.setdefault(fact, [])
    owner_last = fact.__module__ == facet.__module__
    entries.insert(len(entries) if owner_last else 0, (facet.name, fold))


def fold_fact(into: Facets, fact: Fact, moment: Moment) -> None:
    """Hand a fact to the facets it concerns."""
    facets = into.by_name
    for name, fold in FOLDS[type(fact)]:
        fold(facets[name], fact, moment, into)


def slices(rows: Iterable[T], size: int = ROWS_PER_SLICE) -> Iterator[list[T]]:
    """Rows in lists of at most `size`."""
    iterator = iter(rows)
    while rows_taken := list(islice(iterator, size)):
        yield rows_taken
