"""The start-up probe: a store that does not honour create-if-absent is refused before it can lose anything."""

import trio

from higgins.model.errors import ObjectExists, ObjectMissing, StorageUnavailable, Unfit
from higgins.model.pointer import ObjectKey
from higgins.storage.store import Store

PROBE_DEADLINE_S = 30.0
PAUSES_S = (0.1, 0.4)
"""Between tries: one lost answer is no verdict on a store, three in a row are."""


async def probe(store: Store, token: str) -> None:
    """Create twice (one must lose), read after a miss, list. `token` makes the keys this probe's own.

    Raises: Unfit, with what the store did, why it matters and what to do.
    """
    keys = [ObjectKey(f"probe/{token}-{n}") for n in range(len(PAUSES_S) + 1)]
    with trio.move_on_after(PROBE_DEADLINE_S) as patience:
        for n, key in enumerate(keys):
            # A key of its own for every try: what became of the last one is not known.
            try:
                await _probe(store, key)
                for tried in keys[: n + 1]:
                    await store.delete(tried)
                return
            except StorageUnavailable as error:
                if n == len(PAUSES_S):
                    raise Unfit(
                        f"The store does not answer as it should: {error} "
                        "Check its address, the bucket's name and the credentials."
                    ) from error
                await trio.sleep(PAUSES_S[n])
    if patience.cancelled_caught:
        raise Unfit(f"The store gave no answer within {PROBE_DEADLINE_S:.0f} s. Check its address and the network.")


async def _probe(store: Store, key: ObjectKey) -> None:
    try:
        await store.get(key)
        raise Unfit(f"The store returned an object nobody put ({key}). It cannot be trusted with anything.")
    except ObjectMissing:
        pass
    try:
        await store.create(key, [b"first"])
    except ObjectExists as error:
        raise Unfit(
            "The store says that an object nobody created exists; it cannot be trusted with commits."
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
            raise Unfit("The store overwrote an object that was created only-if-absent. It cannot hold commits.")
    except ObjectMissing as error:
        raise Unfit(
            "The store does not show an object right after it was created (a cached 'not found'?). "
            "Commits need read-after-create: take the cache or proxy out of the way."
        ) from error
    listed = await store.list("probe/", after=key[:-1])
    if key not in {row.key for row in listed}:
        raise Unfit("The store does not list an object right after it was created; snapshots would be missed.")
