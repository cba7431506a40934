"""Checks of the network: is the port free or does a broker answer there, and do its own addresses lead back to it."""

import trio

from higgins.cli.doctor.finding import Finding
from higgins.client import ClientError, ClientSettings, Unreachable, connect_tcp, open_cluster
from higgins.client.cluster import ClusterView
from higgins.config.addresses import Address, is_loopback, is_wildcard
from higgins.model.errors import Unfit
from higgins.runtime import Runtime
from higgins.server.listener import open_socket

PATIENCE_S = 5.0
NODES_MAX = 50

_SETTINGS = ClientSettings(
    client_id="higgins-doctor",
    connect_timeout_s=PATIENCE_S,
    request_timeout_s=PATIENCE_S,
    operation_timeout_s=PATIENCE_S,
)


async def check_address(address: Address) -> list[Finding]:
    """The port, and behind it the addresses that the broker tells its clients."""
    asked = Address("127.0.0.1", address.port) if is_wildcard(address.host) else address
    try:
        view = await _ask(asked)
    except Unreachable as error:
        return [_silent(address, str(error)), _nobody_to_ask()]
    except ClientError as error:
        return [_foreign(asked, str(error)), _nobody_to_ask()]
    answers = Finding(
        check="port", standing="ok", what=f"{asked} answers: cluster {view.cluster_id}, {len(view.nodes)} nodes."
    )
    found = [await _advertised(asked, view, node_id) for node_id in sorted(view.nodes)[:NODES_MAX]]
    return [answers, *found]


async def _ask(address: Address) -> ClusterView:
    """What a broker says of its cluster. Raises: ClientError."""
    with trio.move_on_after(2 * PATIENCE_S):
        async with open_cluster(connect_tcp, Runtime(), [(address.host, address.port)], _SETTINGS) as cluster:
            return await cluster.refresh(())
    raise Unreachable(f"{address} gave no answer within {2 * PATIENCE_S:g} s")


def _silent(address: Address, why: str) -> Finding:
    """Nobody speaks Kafka there: free for a broker, or taken by something else, or another machine."""
    try:
        open_socket(address.host, address.port, 1).close()
    except Unfit as error:
        return Finding(
            check="port",
            standing="failed",
            what=f"No broker answers at {address}, and none could be started there: {error}",
            why=f"{why.rstrip('.')}.",
            fix="If a broker should be there, start it, and open the firewall between here and there; "
            "if one is to be started here, do as the first line says.",
        )
    return Finding(check="port", standing="ok", what=f"{address} is free; higgins up can listen there.")


def _foreign(address: Address, why: str) -> Finding:
    return Finding(
        check="port",
        standing="failed",
        what=f"What listens at {address} does not answer as a broker: {why}",
        why="Clients would be refused or hang.",
        fix="Stop what listens there, or give the broker another port with --listen.",
    )


def _nobody_to_ask() -> Finding:
    return Finding(check="advertised", standing="skipped", what="Not checked: there is no broker to ask.")


async def _advertised(asked: Address, view: ClusterView, node_id: int) -> Finding:
    told = Address(*view.nodes[node_id])
    fix = f"Start node {node_id} with --advertise HOST:PORT, an address of it that clients can reach."
    try:
        behind = await _ask(told)
    except ClientError as error:
        return Finding(
            check="advertised",
            standing="failed",
            what=f"Node {node_id} tells clients to connect to {told}, which does not work from here: {error}",
            why="A client connects to the bootstrap address once, and to the advertised one for everything else.",
            fix=fix,
        )
    if behind.cluster_id != view.cluster_id or node_id not in behind.nodes:
        return Finding(
            check="advertised",
            standing="failed",
            what=f"Node {node_id} of cluster {view.cluster_id} tells clients to connect to {told}, where cluster "
            f"{behind.cluster_id} answers.",
            why="Clients would read and write another cluster's topics.",
            fix=fix,
        )
    if is_loopback(told.host) and not is_loopback(asked.host):
        return Finding(
            check="advertised",
            standing="warning",
            what=f"Node {node_id} tells clients to connect to {told}.",
            why="That is every client's own machine: it works here, and nowhere else.",
            fix=fix,
        )
    return Finding(check="advertised", standing="ok", what=f"Node {node_id} is where it says: {told}.")
