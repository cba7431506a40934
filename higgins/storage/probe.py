"""The start-up probe: refuses a store that cannot hold commits before any record is at risk.

S3-compatible services differ in what they implement. A service that ignores `If-None-Match: *` accepts both of two
competing commits, a cache in front of a bucket may repeat a "not found", and both lose acknowledged records only later
and under load. A few requests at each start show it at once.
"""

import itertools

import structlog
import trio

from higgins.model.errors import ObjectExists, ObjectMissing, StorageUnavailable, Unfit
from higgins.model.pointer import ObjectKey
from higgins.storage.store import Store

log = structlog.get_logger("higgins.storage")

PATIENCE_S = 60.0
"""How long a store that answers with errors is tried again; the ledger is as patient."""

SILENCE_S = 30.0
"""How long a store that has never answered is tried again."""

WORD_AFTER_S = 3.0
"""After this time the log says what the start waits for."""

ATTEMPTS = 3
"""Failures, of any kind that waiting does not change, before the store is refused."""

PAUSES_S = (0.1, 0.4, 1.0, 2.0)
"""Pauses between attempts; the last one repeats."""


class _Attempts:
    """The attempts of one probe: the keys that they used, and how the last one failed."""

    def __init__(self, store: Store, token: str) -> None:
        self.store = store
        self._token = token
        self.used: list[ObjectKey] = []
        self.last: StorageUnavailable | None = None

    async def once(self) -> bool:
        """Whether the store has passed; failures of requests are kept in `last`. Raises: Unfit."""
        # A new key for every attempt: an attempt that failed may have created its key all the same.
        key = ObjectKey(f"probe/{self._token}-{len(self.used)}")
        self.used.append(key)
        try:
            await _probe(self.store, key, is_last=len(self.used) >= ATTEMPTS)
            for used in self.used:
                await self.store.delete(used)
            return True
        except StorageUnavailable as error:
            self.last = error
            return False


async def probe(store: Store, token: str, *, patience_s: float = PATIENCE_S) -> str:
    """Create a key twice (the second must fail), read it after a miss, list it. `token` makes the keys unique.

    A store that fails is tried again for `patience_s`; one that has never answered for at most SILENCE_S.

    Returns the empty string; or, for a store on this machine that reads but refuses to write (a full disk), its reason.
    Raises: Unfit; the message says what the store did, why it matters and what to do.
    """
    begun_s = trio.current_time()
    attempts = _Attempts(store, token)
    refusal: Unfit | None = None
    has_passed = False
    silence_s = min(SILENCE_S, patience_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_say_what_is_awaited, attempts)
        with trio.move_on_at(begun_s + silence_s) as deadline:
            try:
                for n in itertools.count():
                    if has_passed := await attempts.once():
                        break
                    error = attempts.last
                    assert error is not None
                    if error.certain and not store.traits.is_remote:
                        nursery.cancel_scope.cancel()
                        return str(error)
                    if error.needs_change and n + 1 >= ATTEMPTS:
                        raise Unfit(str(error))
                    if error.answered:
                        deadline.deadline = begun_s + patience_s
                    await trio.sleep(PAUSES_S[min(n, len(PAUSES_S) - 1)])
            except Unfit as error:
                refusal = error  # raised below: in here it would come out as an exception group
        nursery.cancel_scope.cancel()
    if refusal is not None:
        raise refusal
    if not has_passed:
        last = attempts.last
        if last is not None and last.answered:
            raise Unfit(f"The store did not work for {patience_s:g} s: {last}")
        reason = "" if last is None else f" {last}"
        raise Unfit(f"The store gave no answer within {silence_s:g} s.{reason} Check its address and the network.")
    return ""


async def _say_what_is_awaited(attempts: _Attempts) -> None:
    await trio.sleep(WORD_AFTER_S)
    why = "no answer so far" if attempts.last is None else str(attempts.last)
    log.warning("store.awaited", store=attempts.store.traits.description, why=why)


async def _probe(store: Store, key: ObjectKey, *, is_last: bool) -> None:
    try:
        await store.get(key)
        raise Unfit(
            f"The store returned an object that was never stored ({key}), so its answers cannot be trusted. "
            "Check that the address is that of an object store."
        )
    except ObjectMissing:
        pass
    try:
        await store.create(key, [b"first"])
    except ObjectExists as error:
        if not is_last:
            # A proxy may have sent the request twice, or the service a code that it has for something else.
            raise StorageUnavailable(f"The store reports that {key} exists, which nobody created.") from error
        raise Unfit(
            "The store reports that an object exists which nobody created, so no commit could ever be made. "
            "Check the service and the proxies in front of it."
        ) from error
    try:
        await store.create(key, [b"second"])
    except ObjectExists:
        pass
    else:
        raise Unfit(
            "The store ignores 'create only if absent' (If-None-Match: *): two nodes would both believe they had "
            "committed. Use a store that honours it: a local directory, S3, Google Cloud Storage, Azure Blob, R2, "
            "versitygw."
        )
    try:
        if bytes(await store.get(key)) != b"first":
            raise Unfit(
                "The store overwrote an object although 'create only if absent' was required: commits would be lost. "
                "Use another store."
            )
    except ObjectMissing as error:
        raise Unfit(
            "The store does not return an object right after it was created, perhaps because of a cached 'not found'. "
            "Commits need read-after-create: remove the cache or proxy in front of the store."
        ) from error
    listed = await store.list("probe/", after=key[:-1])
    if key not in {row.key for row in listed}:
        raise Unfit(
            "The store does not list an object right after it was created: a node that starts would miss snapshots. "
            "Use a store with consistent listings."
        )
