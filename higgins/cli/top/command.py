"""`higgins top`: a cluster's rates, topics, lag and operators, refreshed at an interval. It reads from every node."""

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, complain, print_json, with_cluster
from higgins.cli.terminal import console_of, draws
from higgins.cli.text.start import parse_duration
from higgins.cli.top.keys import until_key
from higgins.cli.top.live import live_screen, screen, whole
from higgins.cli.top.rates import Look, Rates, between
from higgins.cli.top.screen import line, plain
from higgins.client import Admin, ClientError, Cluster
from higgins.model.errors import Unfit
from higgins.model.figures import Figures

EVERY_MIN_S = 0.1


def top(
    *,
    every: Annotated[str, Parameter(help="How often to look, such as 1s or 500ms.")] = "1s",
    once: Annotated[bool, Parameter(negative="", help="Look for one interval, print it, and end.")] = False,
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Show the load of a cluster: live in a terminal until q or Ctrl-C, elsewhere a line for each interval."""

    async def job(cluster: Cluster) -> int:
        every_s = parse_duration(every)
        if not EVERY_MIN_S <= every_s < float("inf"):
            raise Unfit(f"--every {every}: give a duration from 100ms on, such as 1s.")
        if once:
            await _print_once(cluster, every_s, json=json)
        elif draws(sys.stdout) and not json:
            await _draw(cluster, every_s)
        else:
            await _print_lines(cluster, every_s, json=json)
        return 0

    return with_cluster(bootstrap, job)


async def _print_once(cluster: Cluster, every_s: float, *, json: bool) -> None:
    before = await look(cluster)
    await trio.sleep(every_s)
    rates = between(before, await look(cluster))
    if json:
        print_json(rates)
    elif sys.stdout.isatty():
        console_of().print(whole(rates, _title(cluster, rates)))
    else:
        print("\n".join(plain(rates, _title(cluster, rates))))


async def _print_lines(cluster: Cluster, every_s: float, *, json: bool) -> None:
    async with aclosing(_intervals(cluster, every_s)) as intervals:
        async for rates in intervals:
            if isinstance(rates, ClientError):
                complain(str(rates))
            elif json:
                print_json(rates)
            else:
                print(line(rates), flush=True)


async def _draw(cluster: Cluster, every_s: float) -> None:
    console = console_of()
    shown: Rates | None = None
    async with aclosing(_intervals(cluster, every_s)) as intervals, until_key("qQ"):
        with live_screen(console) as live:
            async for rates in intervals:
                if isinstance(rates, ClientError):
                    title = str(rates)
                else:
                    shown, title = rates, _title(cluster, rates)
                if shown is not None:
                    live.update(screen(shown, title, console), refresh=True)


async def _intervals(cluster: Cluster, every_s: float) -> AsyncGenerator[Rates | ClientError, None]:
    """The rates of each interval, or why they are not known. A cluster that stops answering is asked again.

    Raises: ClientError when it does not answer the first time.
    """
    before: Look = await look(cluster)
    while True:
        await trio.sleep(every_s)
        try:
            after = await look(cluster)
        except ClientError as error:
            yield error
            continue
        yield between(before, after)
        before = after


async def look(cluster: Cluster) -> Look:
    """Every node's figures; nodes that do not answer are left out. Raises: ClientError when none does."""
    view = await cluster.refresh(())
    looks: dict[int, Figures] = {}
    failure: ClientError | None = None
    for node_id in sorted(view.nodes):
        try:
            answer = await Admin(cluster).private("figures", {}, node_id=node_id)
            looks[node_id] = msgspec.convert(answer, Figures)
        except msgspec.ValidationError as error:
            failure = ClientError(f"Node {node_id} answers 'figures' in a way this client does not know: {error}")
        except ClientError as error:
            failure = error
    if not looks:
        raise failure or ClientError("No node answers.")
    return looks


def _title(cluster: Cluster, rates: Rates) -> str:
    return f"Cluster {cluster.metadata.cluster_id or '-'}, the last {rates.seconds:.1f} s"
