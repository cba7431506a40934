"""Which nodes somebody wants partitions on. No node holds any, so all that is judged is whether there are such."""

from collections.abc import Sequence

from higgins.kafka.context import Call
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode


def check_nodes(call: Call, ids: Sequence[int]) -> None:
    """Raises: Refused(INVALID_REPLICA_ASSIGNMENT) for a node that does not live."""
    live = sorted(session.node_id for session in call.node.state.sessions.live.values())
    unknown = [each for each in ids if each not in live]
    if unknown:
        raise Refused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"There is no node {unknown[0]} to assign a partition to; there are {', '.join(map(str, live))}.",
        )
