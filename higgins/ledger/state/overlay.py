"""A mapping laid over another: reads fall through, writes stay on top.

Drafts of State are made of these: the code that folds committed facts also folds those of a draft, and only committed
facts reach the mapping below.
"""

from collections.abc import Iterator, MutableMapping
from typing import TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

_DELETED = object()


class Overlay(MutableMapping[K, V]):
    """Changes over a mapping that must not change while this one lives."""

    __slots__ = ("_below", "_changes")

    def __init__(self, below: MutableMapping[K, V]) -> None:
        self._below = below
        self._changes: dict[K, object] = {}

    def __getitem__(self, key: K) -> V:
        change = self._changes.get(key)
        if change is None:
            return self._below[key]
        if change is _DELETED:
            raise KeyError(key)
        return cast(V, change)

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        change = self._changes.get(key)
        if change is None:
            return self._below.get(key, default)
        return default if change is _DELETED else cast(V, change)

    def __setitem__(self, key: K, value: V) -> None:
        self._changes[key] = value

    def __delitem__(self, key: K) -> None:
        self._changes[key] = _DELETED

    def __contains__(self, key: object) -> bool:
        change = self._changes.get(cast(K, key))
        return key in self._below if change is None else change is not _DELETED

    def __iter__(self) -> Iterator[K]:
        for key in self._below:
            if key not in self._changes:
                yield key
        for key, value in self._changes.items():
            if value is not _DELETED:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)
