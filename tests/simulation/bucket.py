"""A bucket with faults, and the store port of one node over it.

An operation is handed over, travels, is applied, and its answer travels back. What has been handed over happens even
when the node that did so is killed meanwhile. Each operation may draw one of these faults:

fail before   nothing happens, and the node is told after a while that the store failed
503           nothing happens, and the node is told at once
409           a create that nobody contends with is told that the key is taken
lost answer   it happens, and the node is told that the store failed
late          the node is told that the store failed, and it happens seconds afterwards
slow          it takes seconds
corrupt       a read returns a flipped byte
truncated     a read returns too few bytes
absent        a listing misses its newest row
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import trio

from higgins.model.errors import Corrupt, HigginsError, ObjectExists, ObjectMissing, StorageUnavailable
from higgins.model.pointer import Buffer, ObjectKey
from higgins.storage.store import ListedObject, StoreTraits
from tests.simulation.schedule import Timetable

WRITE_FAULTS = ("fail before", "503", "lost answer", "late", "slow")
READ_FAULTS = ("fail before", "503", "slow")
DAMAGE = ("corrupt", "truncated")


class StoreFaults(msgspec.Struct):
    """How likely an operation is to go wrong, by fault word; changed while the world runs."""

    chances: dict[str, float] = {}

    def draw(self, chance: random.Random, words: Sequence[str]) -> str:
        """A fault word of these, or the empty string."""
        point = chance.random()
        for word in words:
            point -= self.chances.get(word, 0.0)
            if point < 0:
                return word
        return ""


class Bucket:
    """Objects, and how long it takes to reach them."""

    def __init__(self, timetable: Timetable, chance: random.Random, latency_s: tuple[float, float]) -> None:
        self.objects: dict[ObjectKey, bytes] = {}
        self.faults = StoreFaults()
        self.injected: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.overwritten: list[str] = []
        """Keys that were put again with other bytes."""
        self.timetable = timetable
        self.chance = chance
        self._latency_s = latency_s

    def travel_s(self) -> float:
        """One way, there or back."""
        return self.chance.uniform(*self._latency_s)

    # What is applied, at one moment each.

    def create(self, key: ObjectKey, data: bytes) -> None:
        if key in self.objects:
            raise ObjectExists(f"Object {key} is there already.")
        self.objects[key] = data

    def put(self, key: ObjectKey, data: bytes) -> None:
        if self.objects.get(key, data) != data:
            self.overwritten.append(key)
        self.objects[key] = data

    def get(self, key: ObjectKey) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(f"No object {key}.")
        return self.objects[key]

    def rows(self, prefix: str, after: str, limit: int) -> list[ListedObject]:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        return [ListedObject(key, len(self.objects[key])) for key in keys[:limit]]

    def delete(self, key: ObjectKey) -> None:
        self.objects.pop(key, None)


class _Call:
    """An operation on its way."""

    __slots__ = ("answered", "error", "result")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.result: Any = None
        self.error: HigginsError | None = None


class SimulatedStore:
    """One node's way to the bucket. `on_write` is told when a write is applied, for those who kill at that moment."""

    def __init__(self, bucket: Bucket, traits: StoreTraits) -> None:
        self._bucket = bucket
        self._traits = traits
        self.cut_off = False
        """The node does not reach the bucket at all."""
        self.dead = False
        self.damaged = False
        """Whether a read has returned what was not stored."""
        self.on_write: Callable[[str], None] | None = None

    @property
    def traits(self) -> StoreTraits:
        return self._traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        data = b"".join(pieces)
        await self._write("create", key, lambda: self._bucket.create(key, data))

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        data = b"".join(pieces)
        await self._write("put", key, lambda: self._bucket.put(key, data))

    async def delete(self, key: ObjectKey) -> None:
        await self._write("delete", key, lambda: self._bucket.delete(key))

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        data: bytes = await self._read("get", key, lambda: self._bucket.get(key))
        return memoryview(self._spoiled(key, data))

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        data: bytes = await self._read("get", key, lambda: self._bucket.get(key))
        part = data[position : position + length]
        if len(part) != length:
            raise Corrupt(f"Object {key} holds {len(part)} of {length} bytes asked for at position {position}.")
        return memoryview(part)

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> None:
        return None

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        rows: list[ListedObject] = await self._read("list", prefix, lambda: self._bucket.rows(prefix, after, limit))
        if rows and self._draw(("absent",)):
            return rows[:-1]
        return rows

    # ---- within -------------------------------------------------------------------------------------------------

    def _draw(self, words: Sequence[str]) -> str:
        word = self._bucket.faults.draw(self._bucket.chance, words)
        if word:
            self._bucket.injected[word] += 1
        return word

    def _spoiled(self, key: ObjectKey, data: bytes) -> bytes:
        """Damage to what the ledger reads; records carry their producer's checksum, which their reader compares."""
        word = self._draw(DAMAGE) if key.startswith("ledger/") and data else ""
        if not word:
            return data
        self.damaged = True
        at = self._bucket.chance.randrange(len(data))
        return data[:at] if word == "truncated" else data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]

    async def _write(self, name: str, key: str, apply: Callable[[], None]) -> None:
        await self._call(name, key, apply, (*WRITE_FAULTS, "409") if name == "create" else WRITE_FAULTS)

    async def _read(self, name: str, key: str, apply: Callable[[], Any]) -> Any:
        return await self._call(name, key, apply, READ_FAULTS)

    async def _call(self, name: str, key: str, apply: Callable[[], Any], words: Sequence[str]) -> Any:
        bucket = self._bucket
        if self.dead:
            await trio.sleep_forever()
        bucket.operations[name] += 1
        call = _Call()
        word = "fail before" if self.cut_off else self._draw(words)
        there_s = bucket.travel_s()
        match word:
            case "503":
                self._answer(call, 0.001, _failed(name, key, word))
            case "fail before":
                self._answer(call, there_s + bucket.chance.uniform(0.0, 1.0), _failed(name, key, word))
            case "409":
                self._answer(call, there_s, ObjectExists(f"Object {key} is contended (409)."))
            case "late":
                self._answer(call, there_s, _failed(name, key, word))
                late_s = there_s + bucket.chance.uniform(0.1, 5.0)
                bucket.timetable.after(late_s, lambda: self._apply(_Call(), name, apply))
            case "slow":
                slow_s = there_s + bucket.chance.uniform(0.2, 3.0)
                bucket.timetable.after(slow_s, lambda: self._finish(call, name, apply))
            case "lost answer":
                bucket.timetable.after(there_s, lambda: self._apply(_Call(), name, apply))
                self._answer(call, there_s + bucket.chance.uniform(0.0, 1.0), _failed(name, key, word))
            case _:
                bucket.timetable.after(there_s, lambda: self._finish(call, name, apply))
        await call.answered.wait()
        if call.error is not None:
            raise call.error
        return call.result

    def _finish(self, call: _Call, name: str, apply: Callable[[], Any]) -> None:
        self._apply(call, name, apply)
        self._bucket.timetable.after(self._bucket.travel_s(), call.answered.set)

    def _apply(self, call: _Call, name: str, apply: Callable[[], Any]) -> None:
        try:
            call.result = apply()
        except HigginsError as error:
            call.error = error
        if self.on_write is not None and name in {"create", "put"}:
            self.on_write(name)

    def _answer(self, call: _Call, delay_s: float, error: HigginsError) -> None:
        call.error = error
        self._bucket.timetable.after(delay_s, call.answered.set)


def _failed(name: str, key: str, word: str) -> StorageUnavailable:
    return StorageUnavailable(f"The store failed on {name} of {key} ({word}).")
