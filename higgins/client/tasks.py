"""A nursery for tasks that serve a block of code and end with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks are cancelled when the block ends.

    A nursery wraps every error in an exception group. Callers of a client want to write `except ClientError`, so a
    single error, of the block or of a task, is raised unwrapped. Several errors at once stay a group.
    """
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = _single_error(group)
        if error is None:
            raise
        raise error from error.__cause__


def _single_error(error: BaseException) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        if len(error.exceptions) != 1:
            return None
        error = error.exceptions[0]
    return error
