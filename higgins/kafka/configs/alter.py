"""Changes of configs on their way into the ledger: each resource by itself, all that go together in one commit.

A change is made from what the resource had when it was looked at. Where somebody else was quicker it is made anew from
what is there then, so that two who change different entries of one topic at once both have their way.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import trio

from higgins.kafka.configs.entry import ResourceType
from higgins.kafka.configs.resources import Resource, find, kind_of
from higgins.kafka.context import Call, code_of, reach_tip
from higgins.ledger.state.base import Proposal
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_configs import AlterConfigsResourceResponse

ATTEMPTS_MAX = 10
AT_ONCE = 100
"""Resources judged before others get their turn."""

Judge = Callable[[Resource], dict[str, str]]
"""What the resource would have of its own. Raises: Refused."""


class Wanted(msgspec.Struct):
    """The change of one resource, as asked, and what has become of it."""

    type: int
    name: str
    judge: Judge
    refusal: Refused | None = None
    proposal: Proposal[bool] | None = None
    """On its way; None when nothing is left to do."""


async def alter(call: Call, wanted: Sequence[Wanted], *, validate_only: bool) -> list[AlterConfigsResourceResponse]:
    """Carry out what is wanted; a row for each, in the order asked."""
    if not await reach_tip(call):
        unknown = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "The store does not answer; nothing was changed. Try again.")
        for each in wanted:
            each.refusal = unknown
        return [_row(each) for each in wanted]
    times = Counter((each.type, each.name) for each in wanted)
    pending = list(wanted)
    for _ in range(ATTEMPTS_MAX):
        for n, each in enumerate(pending, 1):
            _judge(call, each, times[each.type, each.name])
            if n % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        pending = [each for each in pending if each.proposal is not None]
        if validate_only or not pending:
            break
        pending = await _propose(call, pending)
    else:
        for each in pending:
            each.refusal = Refused(
                ErrorCode.REQUEST_TIMED_OUT, "Others keep changing these configs; nothing was changed. Try again."
            )
    return [_row(each) for each in wanted]


def _judge(call: Call, wanted: Wanted, times: int) -> None:
    wanted.proposal = None
    try:
        if times > 1:
            raise Refused(ErrorCode.INVALID_REQUEST, f"'{wanted.name}' is named {times} times; name each once.")
        resource = _resource(call, kind_of(wanted.type), wanted.name)
        after = wanted.judge(resource)
        resource.check(after)
        if after != resource.own:
            wanted.proposal = resource.proposal(after)
    except Refused as refusal:
        wanted.refusal = refusal


def _resource(call: Call, kind: ResourceType, name: str) -> Resource:
    if kind is ResourceType.BROKER_LOGGER:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            "The level of a logger cannot be changed while the broker runs; "
            "start it with HIGGINS_LOG_LEVEL=debug.",
        )
    if kind is ResourceType.TOPIC and not name:
        raise Refused(
            ErrorCode.INVALID_REQUEST, "There are no defaults of all topics by that name; change those of the brokers."
        )
    return find(call.node.state, call.node.configs, kind, name)


async def _propose(call: Call, pending: Sequence[Wanted]) -> list[Wanted]:
    """Propose all; those for which somebody else was quicker come back."""
    outcomes = await call.node.ledger.propose_all([each.proposal for each in pending if each.proposal is not None])
    again: list[Wanted] = []
    for each, outcome in zip(pending, outcomes, strict=True):
        if outcome.error is not None:
            each.refusal = Refused(code_of(outcome.error), str(outcome.error))
        elif not outcome.result:
            again.append(each)
    return again


def _row(wanted: Wanted) -> AlterConfigsResourceResponse:
    refusal = wanted.refusal
    return AlterConfigsResourceResponse(
        error_code=ErrorCode.NONE if refusal is None else refusal.code,
        error_message=None if refusal is None else refusal.message,
        resource_type=wanted.type,
        resource_name=wanted.name,
    )
