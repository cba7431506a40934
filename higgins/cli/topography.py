"""What `apply` and `operator` share: the broker's responses to private requests."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from higgins.client import Admin, ClientError, Cluster

T = TypeVar("T")


class TopographyError(msgspec.Struct, frozen=True):
    """One error in a topography file."""

    message: str
    line: int = 0


class Applied(msgspec.Struct, frozen=True):
    """The result of applying a topography. With errors, nothing was changed."""

    errors: list[TopographyError] = []
    version: str = ""
    changes: list[str] = []
    notes: list[str] = []


class TaskProgress(msgspec.Struct, frozen=True):
    """One partition of an operator's input."""

    partition: int
    position: int = 0
    high_watermark: int = 0
    lag: int = 0
    node: int | None = None
    state: str = ""
    reason: str = ""
    last_failure: str = ""
    counters: dict[str, int] = {}


class OperatorProgress(msgspec.Struct, frozen=True):
    """An operator as the broker lists it."""

    name: str
    input: str = ""
    output: str = ""
    where: str = ""
    generation: int = 0
    partitions: list[TaskProgress] = []


async def ask(
    cluster: Cluster, verb: str, document: object, kind: type[T], *, node_id: int | None = None
) -> T:
    """Send a private request, to any node or to this one, and decode the response.

    Raises: ClientError, also when the response has another shape.
    """
    answer = await Admin(cluster).private(verb, document, node_id=node_id)
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise ClientError(f"The broker answers '{verb}' in a way this client does not know: {error}") from error


async def apply_text(cluster: Cluster, text: str, file: str, adopt: Mapping[str, str] | None = None) -> Applied:
    """Apply a topography. `adopt` names streams whose operators take over topics that exist, and where they begin."""
    document: dict[str, object] = {"document": text, "file": file}
    if adopt:
        document["adopt"] = adopt
    return await ask(cluster, "apply", document, Applied)
