"""One row for each API: its handler, the state it reads and writes, the permission it needs.

Every handler module ends with its row, `API = ApiRow(...)`; `higgins.kafka.apis` lists the modules. The router, the
ApiVersions answer, the table in the documentation and the tests read the rows. Key, name and versions are the
protocol's (`higgins_protocol.apis`); a row finds them by the type of its request.

The contract of a handler
-------------------------
`handle(call, request)` returns a `Future` of the response (of None, where the request wants no response). It is called
in the connection's own task, which reads the next request when it returns, so it must not wait. There are three ways to
keep to that:

1. The response is known: `return completed(response)`. No task, no trip through the scheduler.
2. The handler has to wait: write it as an `async` function under `@in_task`. It runs in a task that ends with the
   connection. A handler that has to wait only sometimes returns `call.spawn(function, ...)` then, and `completed(...)`
   otherwise.
3. Another component completes the response: create a `Future`, keep it, return it, and set its result later. Produce
   does this: a commit completes the responses of many requests, and a task for each would cost more than the request.

The response is sent when every earlier request of the connection has its response. An exception in a handler is a
fault of ours: it is logged and closes the connection, so that the client tries again. A failure that a client can cause
is an error code in the response, never an exception.
"""

from collections.abc import Awaitable, Callable
from enum import IntFlag
from typing import Any, Generic, TypeVar

from higgins.kafka.acl import Permission
from higgins.kafka.context import Call
from higgins.model.future import Future
from higgins_protocol.apis import APIS, Api
from higgins_protocol.schema import Message

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")

_API_OF_REQUEST = {api.request: api for api in APIS.values()}


class State(IntFlag):
    """The kinds of state that APIs read and write."""

    NOTHING = 0
    TOPICS = 1
    """Topics, their ids, partitions and owners."""
    RECORDS = 2
    """Records, and with them log start offsets and high watermarks."""
    PRODUCERS = 4
    """What partitions remember of idempotent producers."""
    GROUPS = 8
    """Groups and their members."""
    OFFSETS = 16
    """Committed offsets of groups."""
    CONFIGS = 32
    OPERATORS = 64
    NODES = 128
    """Live nodes. No request of a client changes them."""


EVERYTHING = State(sum(State))


class ApiRow(Generic[Request]):
    """One API."""

    __slots__ = ("access_of", "api", "handle", "overtaken_by", "reads", "requires", "writes")

    def __init__(
        self,
        request: type[Request],
        handle: Callable[[Call, Request], Future[Any]],
        *,
        reads: State,
        writes: State,
        requires: Permission | None,
        overtaken_by: tuple[type[Message], ...] = (),
        access_of: Callable[[Request], tuple[State, State]] | None = None,
    ) -> None:
        """`requires` is the permission that decides about the whole request, None where none is needed.

        Permissions for the single topics and groups that a request names are the handler's affair; they come with the
        authorizer. `overtaken_by` names the requests that need not wait until a request of this API is finished though
        they read what it writes; say why where you name them. `access_of` gives (reads, writes) of one request where
        they differ within the API.
        """
        self.api: Api = _API_OF_REQUEST[request]
        self.handle = handle
        self.reads = reads
        self.writes = writes
        self.requires = requires
        self.overtaken_by = overtaken_by
        self.access_of = access_of

    def __repr__(self) -> str:
        return f"<ApiRow {self.api.name} reads={self.reads!r} writes={self.writes!r}>"


def in_task(function: Callable[[Call, Request], Awaitable[Response]]) -> Callable[[Call, Request], Future[Response]]:
    """Make a handler of an `async` function: each request runs it in a task of its own."""

    def handle(call: Call, request: Request) -> Future[Response]:
        return call.spawn(function, call, request)

    handle.__doc__ = function.__doc__
    return handle
