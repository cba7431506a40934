"""Checks of the network: whether a broker answers or the port is free, and whether its advertised addresses work."""

import errno

import trio

from higgins.cli.doctor.finding import Finding
from higgins.client import ClientError, ClientSettings, Unreachable, connect_tcp, open_cluster
from higgins.client.cluster import ClusterMetadata
from higgins.config.addresses import Address, is_loopback, is_wildcard
from higgins.model.errors import Unfit
from higgins.model.words import counted
from higgins.runtime import Runtime
from higgins.server.listener import open_socket

PATIENCE_S = 5.0
NODES_MAX = 50
BIND_ATTEMPTS = 10
BIND_PAUSE_S = 0.2

_SETTINGS = ClientSettings(
    client_id="higgins-doctor",
    connect_timeout_s=PATIENCE_S,
    request_timeout_s=PATIENCE_S,
    operation_timeout_s=PATIENCE_S,
)


async def check_address(address: Address) -> list[Finding]:
    """Checks a port, and the addresses that the broker behind it advertises."""
    target = Address("127.0.0.1", address.port) if is_wildcard(address.host) else address
    try:
        view = await _describe(target)
    except Unreachable as error:
        return [await _unreachable(address, str(error)), _not_checked()]
    except ClientError as error:
        return [_foreign(target, str(error)), _not_checked()]
    answers = Finding(
        check="port",
        standing="ok",
        what=f"{target} answers: cluster {view.cluster_id}, {counted(len(view.nodes), 'node')}.",
    )
    advertised = [await _advertised(target, view, node_id) for node_id in sorted(view.nodes)[:NODES_MAX]]
    return [answers, *advertised]


async def _describe(address: Address) -> ClusterMetadata:
    """A broker's description of its cluster. Raises: ClientError."""
    with trio.move_on_after(2 * PATIENCE_S):
        async with open_cluster(connect_tcp, Runtime(), [(address.host, address.port)], _SETTINGS) as cluster:
            return await cluster.refresh(())
    raise Unreachable(f"{address} did not answer within {2 * PATIENCE_S:g} s")


async def _unreachable(address: Address, why: str) -> Finding:
    """No broker answers: the port is free, or used by another program, or on another machine."""
    error = _bind_error(address)
    for _ in range(BIND_ATTEMPTS):
        if not _is_in_use(error):
            break
        # Nobody accepts connections there. What has the port is a connection that is about to end, as a rule.
        await trio.sleep(BIND_PAUSE_S)
        error = _bind_error(address)
    if error is not None:
        return Finding(
            check="port",
            standing="failed",
            what=f"No broker answers at {address}, and none could be started there: {error}",
            why=f"{why.rstrip('.')}.",
            fix="If a broker should be there, start it, and open the firewall between here and there. "
            "To start one here, do what the first line says.",
        )
    return Finding(check="port", standing="ok", what=f"{address} is free; higgins up can listen on it.")


def _bind_error(address: Address) -> Unfit | None:
    """Why a broker cannot listen on an address, or None."""
    try:
        open_socket(address.host, address.port, 1).close()
    except Unfit as error:
        return error
    return None


def _is_in_use(error: Unfit | None) -> bool:
    cause = None if error is None else error.__cause__
    return isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE


def _foreign(address: Address, why: str) -> Finding:
    return Finding(
        check="port",
        standing="failed",
        what=f"The program that listens on {address} does not answer like a broker: {why}",
        why="Clients would fail or wait forever.",
        fix="Stop that program, or give the broker another port with --listen.",
    )


def _not_checked() -> Finding:
    return Finding(check="advertised", standing="skipped", what="Not checked: no broker answers.")


async def _advertised(target: Address, view: ClusterMetadata, node_id: int) -> Finding:
    address = Address(*view.nodes[node_id])
    fix = f"Start node {node_id} with --advertise HOST:PORT, an address of it that clients can reach."
    try:
        behind = await _describe(address)
    except ClientError as error:
        return Finding(
            check="advertised",
            standing="failed",
            what=f"Node {node_id} advertises {address}, which does not work from here: {error}",
            why="A client connects to the bootstrap address once, and to the advertised one for everything else.",
            fix=fix,
        )
    if behind.cluster_id != view.cluster_id or node_id not in behind.nodes:
        return Finding(
            check="advertised",
            standing="failed",
            what=f"Node {node_id} of cluster {view.cluster_id} advertises {address}, where cluster "
            f"{behind.cluster_id} answers.",
            why="Clients would read and write another cluster's topics.",
            fix=fix,
        )
    if is_loopback(address.host) and not is_loopback(target.host):
        return Finding(
            check="advertised",
            standing="warning",
            what=f"Node {node_id} advertises {address}.",
            why="That is each client's own machine: it works for clients on the broker's machine only.",
            fix=fix,
        )
    return Finding(check="advertised", standing="ok", what=f"Node {node_id} answers where it is advertised: {address}.")
