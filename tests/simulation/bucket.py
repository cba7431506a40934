"""A simulated bucket with faults, and one node's store on it.

A request takes some time to reach the bucket, is applied, and its response takes some time to return. A request that
was sent takes effect even if its node is killed meanwhile, as with a real object store. These faults are injected:

fail before   the request has no effect, and fails after up to a second
503           the request has no effect, and fails at once
409           a create fails with ObjectExists though the key is free
lost answer   the request takes effect, and the node gets an error
late          the node gets an error, and the request takes effect up to five seconds later
slow          the request takes seconds
corrupt       a read returns data with one damaged byte
truncated     a read returns too few bytes
absent        a listing misses its newest object
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
from tests.simulation.schedule import TimerQueue

WRITE_FAULTS = ("fail before", "503", "lost answer", "late", "slow")
READ_FAULTS = ("fail before", "503", "slow")
DAMAGE = ("corrupt", "truncated")


class StoreFaults(msgspec.Struct):
    """The probability of each fault; changed during the run."""

    chances: dict[str, float] = {}

    def draw(self, rng: random.Random, faults: Sequence[str]) -> str:
        """One of these faults, or the empty string."""
        point = rng.random()
        for fault in faults:
            point -= self.chances.get(fault, 0.0)
            if point < 0:
                return fault
        return ""


class Bucket:
    """The objects, and the latency to reach them."""

    def __init__(self, timers: TimerQueue, rng: random.Random, latency_s: tuple[float, float]) -> None:
        self.objects: dict[ObjectKey, bytes] = {}
        self.faults = StoreFaults()
        self.injected: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.overwritten: list[str] = []
        """Keys whose object was replaced by other bytes, which must never happen."""
        self.timers = timers
        self.rng = rng
        self._latency_s = latency_s

    def latency_s(self) -> float:
        """A random latency of one direction."""
        return self.rng.uniform(*self._latency_s)

    # The operations below are atomic: each is applied at one moment.

    def create(self, key: ObjectKey, data: bytes) -> None:
        if key in self.objects:
            raise ObjectExists(f"Object {key} exists already.")
        self.objects[key] = data

    def put(self, key: ObjectKey, data: bytes) -> None:
        if self.objects.get(key, data) != data:
            self.overwritten.append(key)
        self.objects[key] = data

    def get(self, key: ObjectKey) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(f"Object {key} does not exist.")
        return self.objects[key]

    def rows(self, prefix: str, after: str, limit: int) -> list[ListedObject]:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        return [ListedObject(key, len(self.objects[key])) for key in keys[:limit]]

    def delete(self, key: ObjectKey) -> None:
        self.objects.pop(key, None)


class _Call:
    """A request on its way."""

    __slots__ = ("done", "error", "result")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.result: Any = None
        self.error: HigginsError | None = None


class SimulatedStore:
    """One node's store. `on_write` is called when a write has been applied, so that a test can kill the node then."""

    def __init__(self, bucket: Bucket, traits: StoreTraits) -> None:
        self._bucket = bucket
        self._traits = traits
        self.cut_off = False
        """Every request fails: the node cannot reach the bucket."""
        self.dead = False
        self.damaged = False
        """Whether a read has returned damaged data."""
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
        return memoryview(self._damage(key, data))

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

    # ---- internals ----------------------------------------------------------------------------------------------

    def _draw(self, faults: Sequence[str]) -> str:
        fault = self._bucket.faults.draw(self._bucket.rng, faults)
        if fault:
            self._bucket.injected[fault] += 1
        return fault

    def _damage(self, key: ObjectKey, data: bytes) -> bytes:
        """The data, perhaps damaged. Only ledger objects are: consumers check the CRC of records themselves."""
        fault = self._draw(DAMAGE) if key.startswith("ledger/") and data else ""
        if not fault:
            return data
        self.damaged = True
        at = self._bucket.rng.randrange(len(data))
        return data[:at] if fault == "truncated" else data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]

    async def _write(self, name: str, key: str, apply: Callable[[], None]) -> None:
        await self._call(name, key, apply, (*WRITE_FAULTS, "409") if name == "create" else WRITE_FAULTS)

    async def _read(self, name: str, key: str, apply: Callable[[], Any]) -> Any:
        return await self._call(name, key, apply, READ_FAULTS)

    async def _call(self, name: str, key: str, apply: Callable[[], Any], faults: Sequence[str]) -> Any:
        bucket = self._bucket
        if self.dead:
            await trio.sleep_forever()  # the tasks of a killed node never continue
        bucket.operations[name] += 1
        call = _Call()
        fault = "fail before" if self.cut_off else self._draw(faults)
        request_s = bucket.latency_s()
        match fault:
            case "503":
                self._fail(call, 0.001, _failed(name, key, fault))
            case "fail before":
                self._fail(call, request_s + bucket.rng.uniform(0.0, 1.0), _failed(name, key, fault))
            case "409":
                self._fail(call, request_s, ObjectExists(f"Object {key} is contended (409)."))
            case "late":
                self._fail(call, request_s, _failed(name, key, fault))
                late_s = request_s + bucket.rng.uniform(0.1, 5.0)
                bucket.timers.after(late_s, lambda: self._apply(_Call(), name, apply))
            case "slow":
                slow_s = request_s + bucket.rng.uniform(0.2, 3.0)
                bucket.timers.after(slow_s, lambda: self._finish(call, name, apply))
            case "lost answer":
                bucket.timers.after(request_s, lambda: self._apply(_Call(), name, apply))
                self._fail(call, request_s + bucket.rng.uniform(0.0, 1.0), _failed(name, key, fault))
            case _:
                bucket.timers.after(request_s, lambda: self._finish(call, name, apply))
        await call.done.wait()
        if call.error is not None:
            raise call.error
        return call.result

    def _finish(self, call: _Call, name: str, apply: Callable[[], Any]) -> None:
        self._apply(call, name, apply)
        self._bucket.timers.after(self._bucket.latency_s(), call.done.set)

    def _apply(self, call: _Call, name: str, apply: Callable[[], Any]) -> None:
        try:
            call.result = apply()
        except HigginsError as error:
            call.error = error
        if self.on_write is not None and name in {"create", "put"}:
            self.on_write(name)

    def _fail(self, call: _Call, delay_s: float, error: HigginsError) -> None:
        call.error = error
        self._bucket.timers.after(delay_s, call.done.set)


def _failed(name: str, key: str, fault: str) -> StorageUnavailable:
    return StorageUnavailable(f"The store failed on {name} of {key} ({fault}).")
