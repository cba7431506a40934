"""The refusal that a failed proposal becomes."""

from higgins.model.errors import Fenced, HigginsError, Refused
from higgins_protocol.errors import ErrorCode


def refusal_of(error: HigginsError) -> Refused:
    """The code and message for a client: a fenced node sends clients to another one, a failed store to a retry."""
    if isinstance(error, Refused):
        return error
    code = ErrorCode.NOT_LEADER_OR_FOLLOWER if isinstance(error, Fenced) else ErrorCode.KAFKA_STORAGE_ERROR
    return Refused(code, str(error))
