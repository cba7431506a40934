"""The errors that client calls raise. Each class says what the caller knows about the outcome of its request."""

from higgins_protocol.errors import ErrorCode


class ClientError(Exception):
    """The base class of all client errors; never raised itself."""


class Unreachable(ClientError):
    """The request was not sent, so it had no effect. Sending it again is safe."""


class OutcomeUnknown(ClientError):
    """The request was sent and no response came: it may have taken effect, or may still do so."""


class IncompatibleBroker(ClientError):
    """The two sides share no version of an API, or the peer's bytes are not valid Kafka protocol."""


class BrokerRefused(ClientError):
    """The broker answered with an error code. `message` explains it, where the broker or the client has more to say."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.code.name})" if self.message else self.code.name


class Rebalancing(ClientError):
    """The group is rebalancing, or no longer knows this member: the member must join again."""


# Error codes that a later attempt may clear: retry after a pause, with fresh metadata where a leader may have moved.
RETRIABLE = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.REPLICA_NOT_AVAILABLE,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_CONTROLLER,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.UNSTABLE_OFFSET_COMMIT,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.THROTTLING_QUOTA_EXCEEDED,
    }
)

# Error codes of Produce after which the batch may still be stored: the broker answered before it knew the outcome.
OUTCOME_UNKNOWN_CODES = frozenset(
    {ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NETWORK_EXCEPTION, ErrorCode.UNKNOWN_SERVER_ERROR}
)


def error_code(code: int) -> ErrorCode:
    """The enum member of a wire code. A code that this release does not know becomes UNKNOWN_SERVER_ERROR."""
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR


def raise_for_error(code: int, message: str | None) -> None:
    """Raise BrokerRefused unless the code is NONE."""
    if code:
        raise BrokerRefused(error_code(code), message or "")
