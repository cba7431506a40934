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

The order of requests
---------------------
A request sees everything that earlier requests of its connection wrote. The row is what keeps that promise: a request
that reads or writes a kind of state waits until every earlier request that writes it is finished, which is when its
future is done. Two things follow for a handler that writes. Its future is done only when the write can be seen, or
`call.hold_order` names another future that is. And where `overtaken_by` lets a later request begin earlier, both must
hand their writes, in the order in which they begin, to a component that keeps them in order; a handler that has to wait
before it can do so uses `call.hold_next`. tests/broker/test_request_order.py tries every pair of APIs.
"""

from collections.abc import Awaitable, Callable
from enum import IntFlag
from typing import Any, Generic, TypeVar

from higgins.kafka.acl import Permission
from higgins.kafka.context import Call
from higgins.model.future import Future
from higgins.server.order import Access
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


def access(
    request: type[Message], *, reads: State, writes: State, overtaken_by: tuple[type[Message], ...] = ()
) -> Access:
    """What requests of one type read and write, in the terms of the connection's request order."""
    overtaking = frozenset(_API_OF_REQUEST[each].key for each in overtaken_by)
    return Access(_API_OF_REQUEST[request].key, int(reads), int(writes), overtaking)


class ApiRow(Generic[Request]):
    """One API."""

    __slots__ = ("access", "access_of", "api", "handle", "overtaken_by", "reads", "requires", "writes")

    def __init__(
        self,
        request: type[Request],
        handle: Callable[[Call, Request], Future[Any]],
        *,
        reads: State,
        writes: State,
        requires: Permission | None,
        overtaken_by: tuple[type[Message], ...] = (),
        access_of: Callable[[Request], Access] | None = None,
    ) -> None:
        """`requires` is the permission that decides about the whole request, None where none is needed.

        Permissions for the single topics and groups that a request names will be checked by the handler, once there is
        an authorizer. `overtaken_by` names the requests that need not wait until a request of this API is finished
        though they read what it writes; say why where you name them. `access_of` is for an API whose requests differ in
        what they read and write; `reads` and `writes` are then what any of them does.
        """
        self.api: Api = _API_OF_REQUEST[request]
        self.handle = handle
        self.reads = reads
        self.writes = writes
        self.requires = requires
        self.overtaken_by = overtaken_by
        self.access = access(request, reads=reads, writes=writes, overtaken_by=overtaken_by)
        self.access_of = access_of

    def __repr__(self) -> str:
        return f"<ApiRow {self.api.name} reads={self.reads!r} writes={self.writes!r}>"


def in_task(function: Callable[[Call, Request], Awaitable[Response]]) -> Callable[[Call, Request], Future[Response]]:
    """Make a handler of an `async` function: each request runs it in a task of its own."""

    def handle(call: Call, request: Request) -> Future[Response]:
        return call.spawn(function, call, request)

    handle.__doc__ = function.__doc__
    return handle
