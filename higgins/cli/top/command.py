"""`higgins top`: rates, topics, lag and operators, looked at again and again. Asks every node; changes nothing."""

import shutil
import sys
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, complain, parse_duration, print_json, with_cluster
from higgins.cli.top.rates import Look, Rates, between
from higgins.cli.top.screen import line, screen
from higgins.client import Admin, ClientError, Cluster, Unreachable
from higgins.model.errors import Unfit
from higgins.model.figures import Figures

EVERY_MIN_S = 0.1
CLEAR = "\x1b[H\x1b[2J"


def top(
    *,
    every: Annotated[str, Parameter(help="How often to look, such as 1s or 500ms.")] = "1s",
    once: Annotated[bool, Parameter(negative="", help="Look for one interval, print it, and end.")] = False,
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Show what a cluster does: live in a terminal, a line for each interval where there is none. Ctrl-C ends it."""

    async def job(cluster: Cluster) -> int:
        every_s = parse_duration(every)
        if not EVERY_MIN_S <= every_s < float("inf"):
            raise Unfit(f"--every {every}: give a duration from 100ms on, such as 1s.")
        return await _watch(cluster, every_s, once=once, json=json)

    return with_cluster(bootstrap, job)


async def _watch(cluster: Cluster, every_s: float, *, once: bool, json: bool) -> int:
    before: Look = await look(cluster)
    while True:
        await trio.sleep(every_s)
        try:
            after = await look(cluster)
        except (Unreachable, ClientError) as error:
            # A broker that restarts is what somebody who watches wants to see the end of.
            if once:
                raise
            complain(str(error))
            continue
        _show(between(before, after), cluster, once=once, json=json)
        if once:
            return 0
        before = after


async def look(cluster: Cluster) -> Look:
    """Every node's figures; those that do not answer are left out. Raises: ClientError when none does."""
    view = await cluster.refresh(())
    found: dict[int, Figures] = {}
    failure: ClientError | None = None
    for node_id in sorted(view.nodes):
        try:
            answer = await Admin(cluster).private("figures", {}, node_id=node_id)
            found[node_id] = msgspec.convert(answer, Figures)
        except msgspec.ValidationError as error:
            failure = ClientError(f"Node {node_id} answers 'figures' in a way this client does not know: {error}")
        except ClientError as error:
            failure = error
    if not found:
        raise failure or ClientError("No node answers.")
    return found


def _show(rates: Rates, cluster: Cluster, *, once: bool, json: bool) -> None:
    if json:
        print_json(rates)
        return
    is_terminal = sys.stdout.isatty()
    if not is_terminal and not once:
        print(line(rates), flush=True)
        return
    size = shutil.get_terminal_size()
    title = f"Cluster {cluster.view.cluster_id or '-'}, the last {rates.seconds:.1f} s"
    rows = size.lines - 1 if is_terminal and not once else 1_000
    lines = screen(rates, columns=size.columns if is_terminal else 1_000, rows=rows, title=title)
    print((CLEAR if is_terminal and not once else "") + "\n".join(lines).rstrip(), flush=True)
