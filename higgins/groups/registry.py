"""The group protocols of this broker: one line each.

The type of a committed record tells which protocol restores a group; the type of the first request tells which protocol
a new group has.
"""

from typing import Any

from higgins.groups.classic.machine import CLASSIC
from higgins.groups.ledger_access import GroupRecord, group_members, group_record
from higgins.groups.machine import GroupMachine, GroupProtocol, RequestEvent
from higgins.groups.settings import GroupSettings
from higgins.ledger.state.state import State


class Protocols:
    """Group protocols by record and by request. The first is the default."""

    def __init__(self, default: GroupProtocol, *others: GroupProtocol) -> None:
        self._default = default
        self._by_record = {protocol.record: protocol for protocol in (default, *others)}
        self._by_request = {request: protocol for protocol in (default, *others) for request in protocol.opened_by}

    def of_record(self, record: GroupRecord) -> GroupProtocol:
        """The protocol that wrote a record."""
        return self._by_record[type(record)]

    def opened_by(self, request: type[RequestEvent[Any]] | None) -> GroupProtocol:
        """The protocol of a group that a request of this type creates.

        The default where the request does not decide it. In Kafka, too, a group that only has committed offsets is a
        classic group without members.
        """
        return self._default if request is None else self._by_request.get(request, self._default)

    def restored(self, state: State, group_id: str) -> GroupMachine | None:
        """A machine of the group as last committed, to look at; None where there is no record of it."""
        record = group_record(state, group_id)
        if record is None:
            return None
        machine = self.of_record(record).machine(group_id, GroupSettings())
        machine.restore(record, group_members(state, group_id), 0)
        return machine

    def count_members(self, state: State, group_id: str) -> int:
        """How many members the group has, as last committed."""
        record = group_record(state, group_id)
        if record is None:
            return 0
        return self.of_record(record).count_members(record, group_members(state, group_id))


PROTOCOLS = Protocols(
    CLASSIC,
)
