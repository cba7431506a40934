"""A mapping laid over another: reads fall through, writes stay on top.

Drafts of State are made of these, so that the code which folds a committed fact also folds a fact not yet won, and
nothing but committed facts ever reaches the mapping beneath.
"""

from collections.abc import Iterator, MutableMapping
from typing import TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

_GONE = object()


class Overlay(MutableMapping[K, V]):
    """Changes over a mapping that must not change while this one lives."""

    __slots__ = ("_below", "_changes")

    def __init__(self, below: MutableMapping[K, V]) -> None:
        self._below = below
        self._changes: dict[K, object] = {}

    def __getitem__(self, key: K) -> V:
        found = self._changes.get(key)
        if found is None:
            return self._below[key]
        if found is _GONE:
            raise KeyError(key)
        return cast(V, found)

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        found = self._changes.get(key)
        if found is None:
            return self._below.get(key, default)
        return default if found is _GONE else cast(V, found)

    def __setitem__(self, key: K, value: V) -> None:
        self._changes[key] = value

    def __delitem__(self, key: K) -> None:
        self._changes[key] = _GONE

    def __contains__(self, key: object) -> bool:
        found = self._changes.get(cast(K, key))
        return key in self._below if found is None else found is not _GONE

    def __iter__(self) -> Iterator[K]:
        for key in self._below:
            if key not in self._changes:
                yield key
        for key, value in self._changes.items():
            if value is not _GONE:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)
