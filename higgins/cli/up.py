"""`higgins up`: start a broker."""

import sys
from collections.abc import Sequence
from typing import Annotated

import trio
from cyclopts import Parameter

from higgins import __version__
from higgins.broker import Broker
from higgins.cli.common import DEFAULT_BOOTSTRAP, Json, complain, print_json, run_async
from higgins.cli.io.streams import OutputLost
from higgins.cli.serving import bound_addresses, describe, durability, serving, settings_from
from higgins.model.words import counted
from higgins.settings import Flags, Settings
from higgins.telemetry.logs import Form, Level, configure_logs

NODES_SHOWN_MAX = 5


def up(
    *,
    store: Annotated[
        str,
        Parameter(
            help="A directory, memory://, s3://BUCKET/PREFIX, gs://… or az://…; ./higgins-data by default."
        ),
    ] = "",
    listen: Annotated[
        Sequence[str],
        Parameter(help=f"[NAME=]HOST:PORT to listen on; may be repeated. {DEFAULT_BOOTSTRAP} by default."),
    ] = (),
    advertise: Annotated[
        Sequence[str],
        Parameter(help="[LISTENER=]HOST:PORT that clients connect to, if it differs from --listen."),
    ] = (),
    metrics: Annotated[str, Parameter(help="HOST:PORT to serve Prometheus metrics on; off by default.")] = "",
    set_: Annotated[
        Sequence[str],
        Parameter(name="--set", help="A Kafka broker config as NAME=VALUE, such as num.partitions=4; may be repeated."),
    ] = (),
    config: Annotated[str, Parameter(help="The settings file; by default ./higgins.toml, if it exists.")] = "",
    log_level: Annotated[
        Level, Parameter(env_var="HIGGINS_LOG_LEVEL", help="The lowest level that is logged to standard error.")
    ] = "info",
    log_format: Annotated[
        Form, Parameter(env_var="HIGGINS_LOG_FORMAT", help="Text lines, or a JSON object on each line.")
    ] = "text",
    json: Json = False,
) -> int:
    """Start a broker, and serve until Ctrl-C or SIGTERM."""
    flags = Flags(
        store=store,
        listen=tuple(listen),
        advertise=tuple(advertise),
        metrics=metrics,
        assignments=tuple(set_),
        config=config,
    )
    configure_logs(log_level, log_format)
    return run_async(_serve, flags, json)


async def _serve(flags: Flags, json: bool) -> None:
    settings = settings_from(flags)
    async with serving(settings) as broker:
        try:
            if json:
                print_json(_document(settings, broker))
            else:
                print("\n".join(_banner(settings, broker)), flush=True)
        except OutputLost as error:
            # The broker is of use without its banner. The exit code will tell.
            complain(str(error))
        for warning in settings.warnings:
            print(f"warning: {warning}", file=sys.stderr, flush=True)
        await trio.sleep_forever()


def _document(settings: Settings, broker: Broker) -> dict[str, object]:
    listeners = [{"bound": str(bound), "advertised": str(advertised)} for bound, advertised in bound_addresses(broker)]
    return {
        "version": __version__,
        "store": settings.store.url,
        "durability": durability(settings),
        "listeners": listeners,
        "other_nodes": [{"node": node_id, "address": str(address)} for node_id, address in broker.other_nodes()],
        "warnings": settings.warnings,
    }


def _cluster(broker: Broker) -> list[str]:
    """That this node is not alone, which a user of a second terminal may not expect."""
    others = broker.other_nodes()
    if not others:
        return []
    addresses = ", ".join(str(address) for _, address in others[:NODES_SHOWN_MAX])
    more = f" and {len(others) - NODES_SHOWN_MAX} more" if len(others) > NODES_SHOWN_MAX else ""
    return [
        f"  cluster    joined {counted(len(others), 'other node')} on this store, at {addresses}{more}",
        "             For a broker of its own, give it another store: higgins up --store DIRECTORY",
    ]


def _banner(settings: Settings, broker: Broker) -> list[str]:
    lines = describe(settings)
    for bound, advertised in bound_addresses(broker):
        note = "" if advertised == bound else f", advertised as {advertised}"
        lines.append(f"  listening  {bound}{note}")
    lines += _cluster(broker)
    if broker.metrics is not None:
        lines.append(f"  metrics    http://{broker.metrics}/metrics")
    advertised = bound_addresses(broker)[0][1]
    bootstrap = "" if str(advertised) == DEFAULT_BOOTSTRAP else f" --bootstrap {advertised}"
    return [
        *lines,
        "",
        "Any Kafka client can connect now. In another terminal:",
        f"  echo hello | higgins produce greetings{bootstrap}",
        f"  higgins consume greetings{bootstrap}",
        "Ctrl-C stops it. Acknowledged records stay in the store.",
    ]
