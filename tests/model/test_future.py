"""Futures: set once, seen by every waiting task and every callback."""

import pytest
import trio

from higgins.model.future import Future, completed


async def test_every_waiting_task_gets_the_value() -> None:
    future: Future[int] = Future()
    values: list[int] = []

    async def wait() -> None:
        values.append(await future.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        future.set_result(7)
    assert values == [7, 7] and await future.wait() == 7 and future.result() == 7


async def test_an_error_is_raised_by_wait_and_result() -> None:
    future: Future[int] = Future()
    future.set_error(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await future.wait()
    with pytest.raises(ValueError, match="no"):
        future.result()
    assert future.is_done and isinstance(future.error, ValueError)


def test_callbacks_run_once_in_order_and_immediately_when_already_done() -> None:
    future: Future[str] = Future()
    calls: list[str] = []
    future.add_done_callback(lambda done: calls.append("first " + done.result()))
    future.add_done_callback(lambda done: calls.append("second " + done.result()))
    assert not calls and not future.is_done
    future.set_result("x")
    future.add_done_callback(lambda done: calls.append("late " + done.result()))
    assert calls == ["first x", "second x", "late x"]


def test_a_result_is_set_only_once() -> None:
    future = completed(1)
    with pytest.raises(AssertionError):
        future.set_result(2)
    with pytest.raises(AssertionError):
        future.set_error(ValueError())
    assert future.result() == 1


async def test_a_cancelled_wait_does_not_affect_other_waits() -> None:
    future: Future[int] = Future()
    with trio.move_on_after(0):
        await future.wait()
    future.set_result(3)
    assert await future.wait() == 3
