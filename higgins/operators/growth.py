"""Whether an operator may be given more partitions of its input while it runs. Pure."""

from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import TaskSet
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.operators.specification import Filter, decode
from higgins_protocol.errors import ErrorCode


def extensible_readers(state: State, topic_id: TopicId) -> tuple[str, ...]:
    """The operators that derive from a topic, by whatever way, all of which may grow with it.

    Raises: Refused(POLICY_VIOLATION) when one of them may not; Corrupt for one that this version cannot read.
    """
    found: dict[str, None] = {}
    topics = [topic_id]
    while topics:
        for reader in state.tasks.readers_of(topics.pop()):
            if reader.name in found:
                continue
            _check(reader)
            found[reader.name] = None
            topics.append(reader.output)
    return tuple(found)


def _check(reader: TaskSet) -> None:
    # Record by record it makes no difference which partition a record lies in; state by key would stay behind.
    if not isinstance(decode(reader.specification), Filter):
        raise Refused(
            ErrorCode.POLICY_VIOLATION,
            f"Operator '{reader.name}' keeps state by key, and with more partitions keys would move away from it; "
            f"first run: higgins operator delete {reader.name}",
        )
