"""From a frame to its handler, and from a response to a frame. The one place that knows all handlers."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import structlog

from higgins.kafka.admin import (
    alter_configs,
    alter_partition_reassignments,
    alter_replica_log_dirs,
    describe_configs,
    describe_log_dirs,
    elect_leaders,
    incremental_alter_configs,
    list_config_resources,
    list_partition_reassignments,
)
from higgins.kafka.cluster import (
    api_versions,
    create_partitions,
    create_topics,
    delete_topics,
    describe_cluster,
    describe_quorum,
    describe_topic_partitions,
    metadata,
)
from higgins.kafka.context import Call, Deferred, Node, Ordered, Staged
from higgins.kafka.errors_told import tell_errors
from higgins.kafka.groups import (
    delete_groups,
    describe_groups,
    find_coordinator,
    heartbeat,
    join_group,
    leave_group,
    list_groups,
    offset_commit,
    offset_delete,
    offset_fetch,
    sync_group,
)
from higgins.kafka.private import call as private_call
from higgins.kafka.records import (
    delete_records,
    describe_producers,
    fetch,
    init_producer_id,
    list_offsets,
    offset_for_leader_epoch,
    produce,
)
from higgins.kafka.security import (
    alter_client_quotas,
    alter_user_scram_credentials,
    create_acls,
    delete_acls,
    describe_acls,
    describe_client_quotas,
    describe_user_scram_credentials,
)
from higgins.kafka.transactions import describe_transactions, list_transactions
from higgins.server.connection import Answer, CloseConnection, Connection, InOrder
from higgins.telemetry.metrics import ApiCounts
from higgins_protocol.errors import ErrorCode, ProtocolError, UnsupportedApi, UnsupportedVersion
from higgins_protocol.messages.api_versions import ApiVersionsResponse
from higgins_protocol.registry import (
    API_VERSIONS,
    APIS,
    RequestHeader,
    decode_header,
    decode_request,
    encode_response,
)
from higgins_protocol.schema import Message

log = structlog.get_logger("higgins.kafka")

Handler: TypeAlias = Callable[[Call, Any], Any]
Reply: TypeAlias = Callable[[Message | None], None]

HANDLERS: dict[int, Handler] = {
    module.KEY: module.handle
    for module in (
        alter_client_quotas,
        alter_configs,
        alter_partition_reassignments,
        alter_replica_log_dirs,
        alter_user_scram_credentials,
        api_versions,
        create_acls,
        create_partitions,
        create_topics,
        delete_acls,
        delete_groups,
        delete_records,
        delete_topics,
        describe_acls,
        describe_client_quotas,
        describe_cluster,
        describe_configs,
        describe_groups,
        describe_log_dirs,
        describe_producers,
        describe_quorum,
        describe_topic_partitions,
        describe_transactions,
        describe_user_scram_credentials,
        elect_leaders,
        fetch,
        find_coordinator,
        heartbeat,
        incremental_alter_configs,
        init_producer_id,
        join_group,
        leave_group,
        list_config_resources,
        list_groups,
        list_offsets,
        list_partition_reassignments,
        list_transactions,
        metadata,
        offset_commit,
        offset_delete,
        offset_fetch,
        offset_for_leader_epoch,
        private_call,
        produce,
        sync_group,
    )
}
assert HANDLERS.keys() == APIS.keys(), "every API in the registry has a handler, and no other"


class Router:
    """Dispatches the frames of all connections."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._counts = node.counts.requests.by_api
        self._clock = node.runtime.stopwatch

    def dispatch(self, connection: Connection, frame: memoryview, answer: Answer) -> Awaitable[None] | InOrder | None:
        """Handle one request; `answer` is called once. Raises: CloseConnection for what cannot be understood."""
        begun = self._clock()
        try:
            header = decode_header(frame)
            request = decode_request(header, frame)
        except UnsupportedVersion as error:
            if error.api_key != API_VERSIONS:
                raise CloseConnection(str(error)) from error
            answer(_fall_back(error))
            return None
        except (UnsupportedApi, ProtocolError) as error:
            raise CloseConnection(str(error)) from error
        call = Call(
            self._node,
            header.api_version,
            header.client_id,
            connection.peer_host,
            connection.listener,
            header.correlation_id,
            connection.close,
        )
        counts = self._counts[header.api_key]
        result = HANDLERS[header.api_key](call, request)
        if isinstance(result, Message) or result is None:
            _reply(header, answer, counts, self._clock, begun, result)
            return None
        reply = partial(_reply, header, answer, counts, self._clock, begun)
        if isinstance(result, Deferred):
            result.then(reply)
            return None
        if isinstance(result, Ordered):
            if result.deferred is None:
                reply(None)
            else:
                result.deferred.then(reply)
            return InOrder(result.first_stage)
        if isinstance(result, Staged):
            return InOrder(_begin(header, result, reply, connection))
        return _finish(header, result, reply, connection)


def _reply(
    header: RequestHeader,
    answer: Answer,
    counts: ApiCounts,
    clock: Callable[[], float],
    begun: float,
    response: Message | None,
) -> None:
    """A request's way back: its response is encoded, sent and counted, whoever gives it and whenever."""
    if response is None:
        answer(None)
    else:
        answer(encode_response(header.api_key, header.api_version, header.correlation_id, response))
        tell_errors(response, counts.refuse)
    counts.seconds.observe(clock() - begun)


async def _finish(
    header: RequestHeader, waiting: Awaitable[Message | None], reply: Reply, connection: Connection
) -> None:
    try:
        response = await waiting
    except Exception:
        _give_up(header, connection)
        return
    reply(response)


def _give_up(header: RequestHeader, connection: Connection) -> None:
    """The edge of a task: a fault of ours costs this connection, which is how a client learns to ask again."""
    log.exception("handler.failed", api=APIS[header.api_key].name, version=header.api_version)
    connection.close()


async def _begin(
    header: RequestHeader, staged: Staged, reply: Reply, connection: Connection
) -> Awaitable[None] | None:
    """The first stage; what it returns is the second."""
    try:
        second = await staged.first_stage
    except Exception:
        _give_up(header, connection)
        return None
    return _finish(header, second, reply, connection)


def _fall_back(error: UnsupportedVersion) -> Sequence[Any]:
    # KIP-511: error 35 in a v0 body that lists what this API speaks, on a connection that stays open.
    rows = [row for row in api_versions.entries() if row.api_key == API_VERSIONS]
    response = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=rows)
    return encode_response(API_VERSIONS, 0, error.correlation_id, response)
