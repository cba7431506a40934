"""What the broker knows of the client at the other end of a connection."""

from enum import Enum

import msgspec

from higgins.server.settings import Listener, SecurityProtocol


class Principal(msgspec.Struct, frozen=True):
    """Who a client is, as access control names it."""

    name: str
    type: str = "User"

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


ANONYMOUS = Principal("ANONYMOUS")
"""Every client of a listener that does not authenticate; the name is Kafka's."""


class Authentication(Enum):
    """How far the client has proved who it is."""

    NOT_REQUIRED = "not required"
    PENDING = "pending"
    """The listener wants SASL, and the exchange is not finished: only requests that belong to it are served."""
    DONE = "done"


class ConnectionSession:
    """Of one connection. Lives as long as the connection does."""

    __slots__ = ("authentication", "listener", "muted_until", "peer_host", "principal")

    def __init__(self, listener: Listener, peer_host: str) -> None:
        self.listener = listener
        self.peer_host = peer_host
        self.principal = ANONYMOUS
        self.authentication = Authentication.NOT_REQUIRED
        self.muted_until: float | None = None
        """Until when (on the runtime's monotonic clock) no request is read; None while requests are read."""

    def __repr__(self) -> str:
        return f"<ConnectionSession {self.principal} from {self.peer_host} {self.authentication.value}>"

    @property
    def security_protocol(self) -> SecurityProtocol:
        """How bytes are protected and clients are authenticated on this connection."""
        return self.listener.security_protocol

    def mute(self, until: float) -> None:
        """Read no further request before `until`. The longest mute counts; a response in progress is still sent.

        This is how a quota holds a client back: the response says for how long (`throttle_time_ms`), and a client that
        does not keep to it finds that its bytes stay in the socket.
        """
        if self.muted_until is None or until > self.muted_until:
            self.muted_until = until
