"""Turning what a coordinator says into a response, at once or when it comes."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from higgins.groups.coordinator import Answer

T = TypeVar("T")
R = TypeVar("R")


def then(answer: Answer[T], respond: Callable[[T], R]) -> R | Coroutine[Any, Any, R]:
    """The response to an answer; costs a task only when the answer does."""
    if isinstance(answer, Coroutine):
        return _later(answer, respond)
    return respond(answer)


async def _later(answer: Coroutine[Any, Any, T], respond: Callable[[T], R]) -> R:
    return respond(await answer)
