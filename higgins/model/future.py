"""A one-shot result: set once, awaited by any number of tasks, within one trio loop."""

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Future(Generic[T]):
    """A value or an error that is set later. Tasks wait for it, or register a callback.

    A `trio.Event` carries no value, and waiting for one needs a task. Hot paths register a callback instead: it runs
    inside `set_result` or `set_error`, so it must be quick and must not fail. Not for use across threads.
    """

    __slots__ = ("_callbacks", "_error", "_event", "_value", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        """Whether the result or the error has been set. Read it only; a plain attribute, since every request does."""
        self._value: T | None = None
        self._error: BaseException | None = None
        self._event: trio.Event | None = None
        self._callbacks: list[Callable[[Future[T]], object]] | None = None

    def __repr__(self) -> str:
        if not self.is_done:
            return "<Future pending>"
        return f"<Future {self._error!r}>" if self._error is not None else f"<Future {self._value!r}>"

    @property
    def error(self) -> BaseException | None:
        """The error, if one has been set."""
        return self._error

    def result(self) -> T:
        """The value. The future must be done. Raises: the error that was set."""
        assert self.is_done, "the result has not been set yet"
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # a call of cast() would cost more than the rest

    def set_result(self, value: T) -> None:
        """Set the value and run the callbacks. Call it once."""
        assert not self.is_done, "the result is set once"
        self._value = value
        self._finish()

    def set_error(self, error: BaseException) -> None:
        """Set an error, which `result` and `wait` raise. Call it once."""
        assert not self.is_done, "the result is set once"
        self._error = error
        self._finish()

    def add_done_callback(self, callback: "Callable[[Future[T]], object]") -> None:
        """Call `callback(self)` once done: immediately if it is done already."""
        if self.is_done:
            callback(self)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    async def wait(self) -> T:
        """Wait for the value. Raises: the error that was set. Cancelling one wait does not affect the others."""
        if not self.is_done:
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
        return self.result()

    def _finish(self) -> None:
        self.is_done = True
        if self._event is not None:
            self._event.set()
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            for callback in callbacks:
                callback(self)


def completed(value: T) -> Future[T]:
    """A future whose value is known from the start."""
    # Called for every request that is answered immediately. Filling the slots directly, without calls of __init__ and
    # set_result, halves the cost.
    future: Future[T] = Future.__new__(Future)
    future.is_done = True
    future._value = value
    future._error = None
    future._event = None
    future._callbacks = None
    return future
