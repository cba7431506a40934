"""Apply topographies and delete operators: check the file off the loop, plan against the newest state, commit once."""

from collections.abc import Iterator, Mapping

import msgspec

from higgins.config.entries.topics import TOPIC_ENTRIES
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.topics import DeleteTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.operators.topography.check import ConfigCheck, check
from higgins.operators.topography.document import Topography, decode
from higgins.operators.topography.plan import Plan, plan_application, plan_deletion
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

THREADS = "operators"
ATTEMPTS_MAX = 5
# A commit is refused with one of these when another client changed the topics or operators that the plan was made for.
_OUTDATED = frozenset(
    (ErrorCode.INVALID_REQUEST, ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
)


class Applied(msgspec.Struct, frozen=True):
    """The outcome: the short name of the topography's version, what changed, and whether anything changed."""

    version: str
    changes: tuple[str, ...]
    applied: bool
    notes: tuple[str, ...] = ()
    """What is worth knowing though nothing changes: for example, configs without effect."""


async def apply_topography(
    runtime: Runtime,
    ledger: Ledger,
    text: str,
    *,
    partitions_default: int,
    check_config: ConfigCheck,
    adopt: Mapping[str, str] | None = None,
) -> Applied:
    """Make the streams and operators as the file says, in one commit. Applying the same file again commits nothing.

    `adopt` names streams whose operators take over a topic that exists, and where in their base they begin.

    The file is parsed in a thread: a large one would otherwise hold the loop.

    Raises: TopographyError (with every problem of the file), Refused, StorageUnavailable, Fenced.
    """
    for attempt in range(ATTEMPTS_MAX):
        await ledger.barrier()
        file, lines = await runtime.offload(THREADS, check, text, decode(ledger.state.tasks.document), check_config)
        plan = plan_application(
            file,
            lines,
            ledger.state,
            partitions_default=partitions_default,
            new_topic_id=lambda: TopicId(runtime.token(16)),
            adopt=adopt,
        )
        if await _commit(ledger, plan, is_last=attempt == ATTEMPTS_MAX - 1):
            break
    notes = (*plan.notes, *configs_without_effect(file))
    return Applied(plan.version, plan.changes, plan.proposal is not None, notes)


def configs_without_effect(file: Topography) -> Iterator[str]:
    """A sentence for each config entry of the file that is accepted and does nothing."""
    for stream in file.streams.values():
        for name in stream.config:
            entry = TOPIC_ENTRIES.get(name)
            if entry is not None and entry.has_no_effect:
                yield f"Config '{name}' of topic '{stream.topic}' is {entry.effect}."


async def delete_operator(ledger: Ledger, name: str) -> Applied:
    """Delete an operator. Its topic stays; topics between its stages are deleted.

    Raises: Refused(RESOURCE_NOT_FOUND), StorageUnavailable, Fenced.
    """
    for attempt in range(ATTEMPTS_MAX):
        await ledger.barrier()
        plan = plan_deletion(name, ledger.state)
        if await _commit(ledger, plan, is_last=attempt == ATTEMPTS_MAX - 1):
            break
    for topic_id in plan.hidden_topics:
        try:
            await ledger.propose(DeleteTopic(topic_id))
        except Refused:
            # It has been deleted by hand, or somebody reads it now. A leftover topic is seen and does no harm.
            continue
    return Applied(plan.version, plan.changes, True)


async def _commit(ledger: Ledger, plan: Plan, *, is_last: bool) -> bool:
    """Whether the plan is committed; False when it is outdated, and a new plan must be made."""
    if plan.proposal is None:
        return True
    try:
        await ledger.propose(plan.proposal)
    except Refused as refusal:
        if is_last or refusal.code not in _OUTDATED:
            raise
        return False
    return True
