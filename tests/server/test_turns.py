"""The event loop is shared by time: on a clock that only work moves."""

import trio
import trio.testing

from higgins.server.turns import DEBT_S, SHARE, TURN_S, Account, Pace, Turns, finish_now

STEP_S = 0.0007


class WorkClock:
    """Stands still, but for work. Notes how much of it each pass of the loop has done."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.passes: list[float] = []

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.passes[-1] += seconds

    def after_io_wait(self, timeout: float) -> None:
        self.passes.append(0.0)


class PassCounter(trio.abc.Instrument):
    def __init__(self, clock: WorkClock) -> None:
        self._clock = clock

    def after_io_wait(self, timeout: float) -> None:
        self._clock.after_io_wait(timeout)


async def started(nursery: trio.Nursery, clock: WorkClock) -> Turns:
    trio.lowlevel.add_instrument(PassCounter(clock))
    turns = Turns(clock)
    await nursery.start(turns.run)
    await trio.lowlevel.checkpoint()
    return turns


async def test_no_pass_of_the_loop_takes_longer_than_a_turn_and_a_step_whoever_works() -> None:
    clock = WorkClock()
    done: list[int] = []

    async def work(turns: Turns, number: int) -> None:
        account = Account()
        pace = Pace(turns, account)
        for _ in range(40):
            await pace.rest()
            clock.work(STEP_S)
        done.append(number)

    async with trio.open_nursery() as nursery:
        turns = await started(nursery, clock)
        async with trio.open_nursery() as workers:
            for number in range(50):
                workers.start_soon(work, turns, number)
        nursery.cancel_scope.cancel()
    assert sorted(done) == list(range(50))
    assert max(clock.passes) <= TURN_S + STEP_S + 1e-9
    assert len(clock.passes) < 3 * 50 * 40, "a pass is used"


async def test_who_has_used_little_goes_before_those_who_have_used_much() -> None:
    """A hundred have work to do without end. A request now and then waits for a few passes, not for all of them."""
    clock = WorkClock()
    waited: list[int] = []

    async def work(turns: Turns) -> None:
        pace = Pace(turns, Account())
        while True:
            await pace.rest()
            clock.work(STEP_S)

    async with trio.open_nursery() as nursery:
        turns = await started(nursery, clock)
        for _ in range(100):
            nursery.start_soon(work, turns)
        account = Account()
        for _ in range(300):
            await trio.lowlevel.checkpoint()
        for _ in range(30):
            for _ in range(50):
                await trio.lowlevel.checkpoint()
            before = len(clock.passes)
            if turns.is_over():
                await turns.wait(account)
            waited.append(len(clock.passes) - before)
            begun = clock.now
            clock.work(0.0001)
            turns.charge(account, begun)
        nursery.cancel_scope.cancel()
    assert max(waited) <= 6, waited


async def test_who_has_used_much_is_served_in_the_end() -> None:
    clock = WorkClock()
    served = trio.Event()

    async def light(turns: Turns) -> None:
        while True:  # Uses less than its share.
            account = Account()
            if turns.is_over():
                await turns.wait(account)
            clock.work(STEP_S)
            await trio.lowlevel.checkpoint()

    async def heavy(turns: Turns) -> None:
        account = Account()
        begun = clock.now
        clock.work(100.0)
        turns.charge(account, begun)
        assert account.settled_at <= clock.now + DEBT_S
        begun = clock.now
        await turns.wait(account)
        assert clock.now - begun <= 1.5 * DEBT_S
        served.set()

    async with trio.open_nursery() as nursery:
        turns = await started(nursery, clock)
        for _ in range(10):
            nursery.start_soon(light, turns)
        nursery.start_soon(heavy, turns)
        with trio.fail_after(30):
            await served.wait()
        nursery.cancel_scope.cancel()


def test_a_connection_that_uses_its_share_is_not_behind_others() -> None:
    clock = WorkClock()
    clock.passes.append(0.0)
    turns, account = Turns(clock), Account()
    for _ in range(1_000):
        begun = clock.now
        clock.work(0.001)
        turns.charge(account, begun)
        clock.now += 0.001 / SHARE
    assert account.settled_at <= clock.now + 1e-6


async def test_a_generator_runs_to_its_end_now_or_in_turns() -> None:
    clock = WorkClock()

    def steps(count: int):
        for _ in range(count):
            clock.work(STEP_S)
            yield
        return count

    async with trio.open_nursery() as nursery:
        turns = await started(nursery, clock)
        assert finish_now(turns, steps(2)) == (True, 2)
        await trio.lowlevel.checkpoint()
        long = steps(100)
        assert finish_now(turns, long) == (False, None)
        assert await Pace(turns, Account()).finish(long) == 100
        nursery.cancel_scope.cancel()
    assert max(clock.passes) <= TURN_S + STEP_S + 1e-9


async def test_nobody_waits_where_no_turns_are_given() -> None:
    clock = WorkClock()
    clock.passes.append(0.0)
    turns = Turns(clock)
    clock.work(60)
    assert not turns.is_over()
    async with trio.open_nursery() as nursery:
        await nursery.start(turns.run)
        clock.work(60)
        assert turns.is_over()
        nursery.cancel_scope.cancel()
    assert not turns.is_over()
