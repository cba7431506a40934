"""Futures: set once, seen by whoever waits and by every callback."""

import pytest
import trio

from higgins.model.future import Future, completed


async def test_everybody_who_waits_gets_the_value() -> None:
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


async def test_an_error_is_raised_where_the_value_is_wanted() -> None:
    future: Future[int] = Future()
    future.set_error(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await future.wait()
    with pytest.raises(ValueError, match="no"):
        future.result()
    assert future.is_done and isinstance(future.error, ValueError)


def test_callbacks_run_in_order_once_and_at_once_when_it_is_done_already() -> None:
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


async def test_a_waiter_that_leaves_early_leaves_the_result_for_others() -> None:
    future: Future[int] = Future()
    with trio.move_on_after(0):
        await future.wait()
    future.set_result(3)
    assert await future.wait() == 3
