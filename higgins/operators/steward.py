"""Apply topographies, delete operators: check off the loop, plan against the newest state, propose as one commit."""

import msgspec

from higgins.ledger.ledger import Ledger
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.operators.topography.check import ConfigJudge, check
from higgins.operators.topography.document import decode
from higgins.operators.topography.plan import Plan, plan_application, plan_deletion
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

THREADS = "operators"
ATTEMPTS_MAX = 5
_RACED = frozenset((ErrorCode.INVALID_REQUEST, ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))


class Applied(msgspec.Struct, frozen=True):
    """What an application came to: the topography's short name, what changed, and whether anything did."""

    version: str
    changes: tuple[str, ...]
    applied: bool


async def apply_topography(
    runtime: Runtime, ledger: Ledger, text: str, *, partitions_default: int, judge: ConfigJudge
) -> Applied:
    """Make what the file says true, as one commit. Idempotent: the same file again commits nothing.

    Raises: Faulty (every fault of the file), Refused, StorageUnavailable, Fenced.
    """
    for attempt in range(ATTEMPTS_MAX):
        await ledger.barrier()
        file, lines = await runtime.offload(THREADS, check, text, decode(ledger.state.tasks.document), judge)
        plan = plan_application(
            file,
            lines,
            ledger.state,
            partitions_default=partitions_default,
            new_topic_id=lambda: TopicId(runtime.token(16)),
        )
        if await _propose(ledger, plan, is_last=attempt == ATTEMPTS_MAX - 1):
            break
    return Applied(plan.version, plan.changes, plan.proposal is not None)


async def delete_operator(ledger: Ledger, name: str) -> Applied:
    """End an operator; its topic stays. Raises: Refused(RESOURCE_NOT_FOUND), StorageUnavailable, Fenced."""
    for attempt in range(ATTEMPTS_MAX):
        await ledger.barrier()
        plan = plan_deletion(name, ledger.state)
        if await _propose(ledger, plan, is_last=attempt == ATTEMPTS_MAX - 1):
            break
    return Applied(plan.version, plan.changes, True)


async def _propose(ledger: Ledger, plan: Plan, *, is_last: bool) -> bool:
    """Whether the plan is now true; False when somebody else changed what it was made for, so that it is made anew."""
    if plan.proposal is None:
        return True
    try:
        await ledger.propose(plan.proposal)
    except Refused as refusal:
        if is_last or refusal.code not in _RACED:
            raise
        return False
    return True
