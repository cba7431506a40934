"""The private call: v0, not advertised. The request is a verb and a JSON document, the response a JSON document.

Behaviour, by verb:
- `apply` {document, file?, adopt?}: a topography file's text. {version, changes, applied, notes}, or {errors: [{line,
  message}]} with every error of the file, which then changes nothing. `adopt` names streams whose operators take over a
  topic that exists, and where in their base they begin: {"large": "latest"}.
- `operators.list` {}: {operators: [...]}, each with its partitions' positions, lag, node, state and counters.
- `figures` {}: the node's own counters and its busiest topics, groups and operators, from memory; what `top` shows.
- `operators.delete` {name}: {version, changes, applied}; RESOURCE_NOT_FOUND when there is none. The topic stays.
- `ping` {}: {}, answered at once and from memory; {store: {operations, since_ms, why}} while the store fails.
Every other failure is an error code with a message. A store that does not respond is KAFKA_STORAGE_ERROR: the change
may or may not have been made, and trying again is safe.
Version notes: v0 only.
Not done: authorization (every client may call), pausing and replaying operators.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import EVERYTHING, ApiRow, State, access
from higgins.kafka.context import Call
from higgins.model.errors import Corrupt, Fenced, Refused, StorageUnavailable
from higgins.model.figures import Figures
from higgins.model.future import Future, completed
from higgins.operators.apply import Applied
from higgins.operators.topography.check import FILE_BYTES_MAX
from higgins.operators.topography.table import Problem, TopographyError
from higgins.operators.view import OperatorView
from higgins.server.order import Access
from higgins.telemetry.metrics import StoreCounts
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.private import PrivateRequest, PrivateResponse

Verb: TypeAlias = Callable[[Call, bytes], Awaitable[msgspec.Struct]]

DOCUMENT_BYTES_MAX = 2 * FILE_BYTES_MAX
"""A file of the largest size, with room for the escapes that JSON needs."""


class ApplyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    document: str
    file: str = ""
    """The name of the file, for the caller's own messages."""
    adopt: dict[str, str] = {}


class DeleteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class StoreTrouble(msgspec.Struct, frozen=True):
    """What of the store fails (`reads`, `writes` or both), since when, and what the store says."""

    operations: str
    since_ms: int
    why: str


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    store: StoreTrouble | None = None


class Problems(msgspec.Struct, frozen=True):
    errors: list[Problem]


class OperatorList(msgspec.Struct, frozen=True):
    operators: list[OperatorView]


def handle(call: Call, request: PrivateRequest) -> Future[PrivateResponse]:
    if len(request.document) > DOCUMENT_BYTES_MAX:
        message = f"The document has {len(request.document)} bytes; at most {DOCUMENT_BYTES_MAX} are allowed."
        return completed(_error(ErrorCode.INVALID_REQUEST, message))
    if request.verb == "ping":
        return completed(_answer(_standing(call.node.counts.store)))
    verb = _VERBS.get(request.verb)
    if verb is None:
        message = f"There is no verb '{request.verb}'; the verbs are: {', '.join(_NAMES)}."
        return completed(_error(ErrorCode.INVALID_REQUEST, message))
    return call.spawn(_guarded, verb, call, request.document or b"{}")


def _standing(counts: StoreCounts) -> Standing:
    failing = [(name, one) for name, one in (("reads", counts.reads), ("writes", counts.writes)) if one.since_ms]
    if not failing:
        return Standing()
    first = min((one for _, one in failing), key=lambda one: one.since_ms)
    return Standing(StoreTrouble(" and ".join(name for name, _ in failing), first.since_ms, first.why))


async def _guarded(verb: Verb, call: Call, document: bytes) -> PrivateResponse:
    try:
        return _answer(await verb(call, document))
    except TopographyError as error:
        return _answer(Problems(error.problems))
    except msgspec.DecodeError as error:
        return _error(ErrorCode.INVALID_REQUEST, f"The document does not fit the verb: {error}.")
    except Refused as refused:
        return _error(refused.code, refused.message)
    except StorageUnavailable as error:
        return _error(
            ErrorCode.KAFKA_STORAGE_ERROR,
            f"The store does not respond, so the change may or may not have been made; try again. ({error})",
        )
    except Fenced as error:
        return _error(ErrorCode.COORDINATOR_NOT_AVAILABLE, f"This node has lost its session; try again. ({error})")
    except Corrupt as error:
        return _error(ErrorCode.UNKNOWN_SERVER_ERROR, str(error))


async def _apply(call: Call, document: bytes) -> Applied:
    request = msgspec.json.decode(document, type=ApplyRequest)
    return await call.admin.operators.apply(request.document, request.adopt)


async def _list(call: Call, document: bytes) -> OperatorList:
    msgspec.json.decode(document, type=Empty)
    return OperatorList(await call.admin.operators.list_operators())


async def _figures(call: Call, document: bytes) -> Figures:
    msgspec.json.decode(document, type=Empty)
    return await call.admin.figures.read()


async def _delete(call: Call, document: bytes) -> Applied:
    request = msgspec.json.decode(document, type=DeleteRequest)
    return await call.admin.operators.delete(request.name)


_VERBS: dict[str, Verb] = {
    "apply": _apply,
    "operators.list": _list,
    "operators.delete": _delete,
    "figures": _figures,
}
_NAMES = ("ping", *_VERBS)


def _answer(document: msgspec.Struct) -> PrivateResponse:
    return PrivateResponse(document=msgspec.json.encode(document))


def _error(code: ErrorCode, message: str) -> PrivateResponse:
    return PrivateResponse(error_code=code, error_message=message)


_CHANGE = access(
    PrivateRequest,
    reads=State.TOPICS | State.OPERATORS | State.CONFIGS,
    writes=State.TOPICS | State.OPERATORS | State.CONFIGS,
)
_VIEW = access(PrivateRequest, reads=EVERYTHING, writes=State.NOTHING)
_NO_ACCESS = access(PrivateRequest, reads=State.NOTHING, writes=State.NOTHING)
_ACCESS_OF_VERB = {"apply": _CHANGE, "operators.delete": _CHANGE, "operators.list": _VIEW, "figures": _VIEW}


def _access_of(request: PrivateRequest) -> Access:
    return _ACCESS_OF_VERB.get(request.verb, _NO_ACCESS)


# A verb that only views will do with DESCRIBE, once there is an authorizer.
API = ApiRow(
    PrivateRequest,
    handle,
    reads=EVERYTHING,
    writes=State.TOPICS | State.OPERATORS | State.CONFIGS,
    requires=Permission(AclOperation.ALTER, AclResourceType.CLUSTER),
    access_of=_access_of,
)
