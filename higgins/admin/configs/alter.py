"""Change the configs of resources: each resource is changed or refused by itself, and all changes go in one commit.

A change is computed from the values that the resource has when it is looked at. The commit is valid only if those are
still its values; where another client was faster, the change is computed again. So two clients that change different
entries of one topic at the same time both succeed.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import trio

from higgins.admin.configs.live import LiveConfigs
from higgins.admin.configs.resources import Resource, find_resource, resource_type
from higgins.admin.configs.without_effect import EffectNotes
from higgins.admin.proposals import propose_all
from higgins.config.entries.changes import Change, apply_changes, replace_all
from higgins.config.entries.entry import ResourceType
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.state import State
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode

ATTEMPTS_MAX = 10
RESOURCES_PER_TURN = 100
"""Resources computed before other tasks get their turn."""

Compute = Callable[[Resource], dict[str, str]]
"""What the resource has of its own after the change. Raises: Refused."""


class Alteration(msgspec.Struct, frozen=True):
    """A requested change of one resource. The type is the client's code, which may be unknown."""

    type_code: int
    name: str
    compute: Compute


class _Progress(msgspec.Struct):
    """How far an alteration has come."""

    alteration: Alteration
    refusal: Refused | None = None
    proposal: Proposal[bool] | None = None
    """Still to be committed; None when there is nothing left to do."""
    resource: Resource | None = None
    changed: frozenset[str] = frozenset()
    """The entries that got another value."""


def incremental(type_code: int, name: str, changes: Sequence[Change]) -> Alteration:
    """Change single entries and keep the others."""

    def compute(resource: Resource) -> dict[str, str]:
        return apply_changes(
            resource.word, resource.table, resource.own, changes, lambda entry: resource.value(entry) or ""
        )

    return Alteration(type_code, name, compute)


def replacement(type_code: int, name: str, configs: Sequence[tuple[str, str | None]]) -> Alteration:
    """Replace everything that the resource has of its own."""
    return Alteration(type_code, name, lambda resource: replace_all(resource.word, resource.table, configs))


async def alter_configs(
    ledger: Ledger,
    live: LiveConfigs,
    alterations: Sequence[Alteration],
    *,
    notes: EffectNotes,
    validate_only: bool = False,
) -> list[Refused | None]:
    """Carry out the alterations; for each, in order, the refusal, or None when it is committed.

    With `validate_only` nothing is changed, and None means that the alteration would have been accepted.

    Raises: StorageUnavailable (nothing was changed).
    """
    await ledger.barrier()
    counts = Counter((each.type_code, each.name) for each in alterations)
    all_progress = [_Progress(each) for each in alterations]
    pending = all_progress
    for _ in range(ATTEMPTS_MAX):
        for n, each in enumerate(pending, 1):
            alteration = each.alteration
            _plan(ledger.state, live, each, counts[alteration.type_code, alteration.name])
            if n % RESOURCES_PER_TURN == 0:
                await trio.lowlevel.checkpoint()
        pending = [each for each in pending if each.proposal is not None]
        if validate_only or not pending:
            break
        pending = await _propose(ledger, pending)
    else:
        for each in pending:
            each.refusal = Refused(
                ErrorCode.REQUEST_TIMED_OUT,
                "Other clients keep changing these configs, so nothing was changed; try again.",
            )
    for each in all_progress:
        if each.refusal is None and each.resource is not None and not validate_only:
            notes.note(f"{each.resource.word} {each.alteration.name}".strip(), each.resource.table, each.changed)
    return [each.refusal for each in all_progress]


def _plan(state: State, live: LiveConfigs, progress: _Progress, count: int) -> None:
    alteration = progress.alteration
    progress.proposal = None
    try:
        if count > 1:
            raise Refused(
                ErrorCode.INVALID_REQUEST, f"'{alteration.name}' occurs {count} times in the request; pass it once."
            )
        resource = _changeable_resource(state, live, resource_type(alteration.type_code), alteration.name)
        after = alteration.compute(resource)
        resource.check(after)
        if after != resource.own:
            progress.resource = resource
            progress.changed = frozenset(key for key, value in after.items() if resource.own.get(key) != value)
            progress.proposal = resource.proposal(after)
    except Refused as refusal:
        progress.refusal = refusal


def _changeable_resource(state: State, live: LiveConfigs, kind: ResourceType, name: str) -> Resource:
    if kind is ResourceType.BROKER_LOGGER:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            "The level of a logger cannot be changed while the broker runs; set HIGGINS_LOG_LEVEL when it starts.",
        )
    if kind is ResourceType.TOPIC and not name:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            "The topic has no name. To change the defaults of all topics, change the configs of the brokers.",
        )
    return find_resource(state, live, kind, name)


async def _propose(ledger: Ledger, pending: Sequence[_Progress]) -> list[_Progress]:
    """Propose all; returns those for which another client was faster."""
    results = await propose_all(ledger, [each.proposal for each in pending if each.proposal is not None])
    outdated: list[_Progress] = []
    for each, result in zip(pending, results, strict=True):
        if isinstance(result, Refused):
            each.refusal = result
        elif not result:
            outdated.append(each)
    return outdated
