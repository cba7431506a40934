"""What can go wrong for a client, named for what its caller knows afterwards."""

from higgins_protocol.errors import ErrorCode


class ClientError(Exception):
    """The root; never raised itself."""


class Unreachable(ClientError):
    """The request was never sent: surely nothing happened."""


class OutcomeUnknown(ClientError):
    """The request was sent and no answer came: it may have happened, or may still happen."""


class IncompatibleBroker(ClientError):
    """The two sides share no version of an API, or what came back is not Kafka's protocol."""


class BrokerRefused(ClientError):
    """The broker said no; the code says how, the message why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.code.name})" if self.message else self.code.name


class Rebalancing(ClientError):
    """The group has moved on: this member must join again before it goes on."""


# What a refusal may become on its own: ask again after a pause, and where leaders moved, with fresh metadata.
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

# A refusal of a produce after which the batch may still be stored: the answer was given before the outcome was known.
UNDECIDED = frozenset({ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NETWORK_EXCEPTION, ErrorCode.UNKNOWN_SERVER_ERROR})


def error_code(code: int) -> ErrorCode:
    """The named code; what this release does not know reads as UNKNOWN_SERVER_ERROR."""
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR


def check(code: int, message: str | None) -> None:
    """Raise BrokerRefused unless the code says that all is well."""
    if code:
        raise BrokerRefused(error_code(code), message or "")
