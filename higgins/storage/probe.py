"""The start-up probe: refuses a store that cannot hold commits before any record is at risk.

S3-compatible services differ in what they implement. A service that ignores `If-None-Match: *` accepts both of two
competing commits, a cache in front of a bucket may repeat a "not found", and both lose acknowledged records only later
and under load. A few requests at each start show it at once.
"""

import trio

from higgins.model.errors import ObjectExists, ObjectMissing, StorageUnavailable, Unfit
from higgins.model.pointer import ObjectKey
from higgins.storage.store import Store

PROBE_DEADLINE_S = 30.0
PAUSES_S = (0.1, 0.4)
"""Pauses between attempts. A single lost answer says nothing about the store; three in a row refuse it."""


async def probe(store: Store, token: str) -> None:
    """Create a key twice (the second must fail), read it after a miss, list it. `token` makes the keys unique.

    Raises: Unfit; the message says what the store did, why it matters and what to do.
    """
    keys = [ObjectKey(f"probe/{token}-{n}") for n in range(len(PAUSES_S) + 1)]
    with trio.move_on_after(PROBE_DEADLINE_S) as deadline:
        for n, key in enumerate(keys):
            # A new key for every attempt: an attempt that failed may have created its key all the same.
            try:
                await _probe(store, key)
                for used in keys[: n + 1]:
                    await store.delete(used)
                return
            except StorageUnavailable as error:
                if n == len(PAUSES_S):
                    raise Unfit(
                        f"The store does not answer properly: {error} "
                        "Check its address, the bucket's name and the credentials."
                    ) from error
                await trio.sleep(PAUSES_S[n])
    if deadline.cancelled_caught:
        raise Unfit(f"The store gave no answer within {PROBE_DEADLINE_S:.0f} s. Check its address and the network.")


async def _probe(store: Store, key: ObjectKey) -> None:
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
