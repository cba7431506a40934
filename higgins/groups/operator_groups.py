"""The progress of operators, shown as consumer groups, so that every tool that shows lag shows theirs.

Clients cannot join such a group or commit to it: its offsets are the operator's own and move with its output.
"""

from collections.abc import Iterator

from higgins.groups.views import GroupView, MemberView
from higgins.ledger.state.offsets import OffsetEntry
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import task_resource
from higgins.model.names import TopicId

OPERATOR_GROUP_PREFIX = "higgins.op."
PROTOCOL_TYPE = "higgins"


def operator_of(group_id: str) -> str | None:
    """The operator that a group id belongs to, whether the operator exists or not; None for any other group id."""
    return group_id.removeprefix(OPERATOR_GROUP_PREFIX) if group_id.startswith(OPERATOR_GROUP_PREFIX) else None


def operator_groups(state: State) -> Iterator[str]:
    """The group ids of all operators."""
    return (OPERATOR_GROUP_PREFIX + name for name in state.tasks.sets)


def operator_view(state: State, operator: str) -> GroupView | None:
    """An operator's group, with the nodes that run its tasks as members; None when there is no such operator."""
    if operator not in state.tasks.sets:
        return None
    holders = sorted({holder.node_id: holder for holder in _lease_holders(state, operator)}.items())
    return GroupView(
        group_id=OPERATOR_GROUP_PREFIX + operator,
        state="Stable" if holders else "Empty",
        protocol_type=PROTOCOL_TYPE,
        protocol="",
        members=tuple(_member(holder) for _, holder in holders),
    )


def operator_offsets(state: State, operator: str) -> dict[tuple[TopicId, int], OffsetEntry]:
    """The next offset that an operator reads of each input partition."""
    tasks = state.tasks.sets.get(operator)
    if tasks is None:
        return {}
    return {
        (position.topic_id, position.partition): OffsetEntry(position.next_offset, -1, "", state.time_ms)
        for position in state.tasks.positions(operator)
    }


def _lease_holders(state: State, operator: str) -> Iterator[Session]:
    for task in range(state.tasks.sets[operator].tasks):
        lease = state.sessions.leases.get(task_resource(operator, task))
        session = state.sessions.live.get(lease.session_epoch) if lease is not None else None
        if session is not None:
            yield session


def _member(session: Session) -> MemberView:
    host = session.endpoints[0].host if session.endpoints else ""
    return MemberView(member_id=f"node-{session.node_id}", client_id="higgins", client_host=f"/{host}")
