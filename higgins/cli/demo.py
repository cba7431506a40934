"""`higgins demo`: start a broker, write orders, and show them beside the stream that an operator derives."""

import itertools
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
import trio
from cyclopts import Parameter

from higgins.broker import Broker
from higgins.cli.common import DEFAULT_BOOTSTRAP, Json, print_json, run_async
from higgins.cli.own_command import own_command
from higgins.cli.serving import bound_addresses, describe, serving, settings_from
from higgins.cli.text.start import parse_duration
from higgins.cli.topography import apply_text
from higgins.client import (
    Cluster,
    ConsumedRecord,
    Consumer,
    Producer,
    Stored,
    connect_tcp,
    open_cluster,
    open_producer,
)
from higgins.client.offsets import LATEST, list_offsets
from higgins.client.tasks import background
from higgins.model.errors import Unfit
from higgins.runtime import Runtime
from higgins.settings import Flags
from higgins.telemetry.logs import configure_logs
from higgins.telemetry.printable import printable

STORE = "./higgins-demo"
SOURCE, DERIVED, LARGER_THAN = "orders", "large", 5
TOPOGRAPHY = f"""\
[streams.{SOURCE}]                   # a source: an ordinary topic, made if missing
format = "json"
partitions = 2

[streams.{DERIVED}]                    # derived from it, exactly once, by the broker
base = "{SOURCE}"
type = "filter"
where = "qty > {LARGER_THAN}"
"""

PRODUCTS = (
    ("tea, 250 g", 6.90),
    ("coffee, 1 kg", 18.50),
    ("oat biscuits", 3.20),
    ("olive oil, 1 l", 11.40),
    ("rye bread", 4.10),
    ("goat cheese", 5.75),
    ("honey, 500 g", 8.30),
)
CUSTOMERS = ("ada", "bram", "chiara", "dries", "eva", "femke", "goran", "hana")
COUNTRIES = ("NL", "NL", "NL", "BE", "BE", "DE", "FR", "DK")
QUANTITIES, WEIGHTS = range(1, 13), (30, 22, 14, 9, 6, 5, 4, 3, 2, 2, 2, 1)
FIRST_ORDER_ID = 1001
POLL_S = 1.0
COLUMN_MIN = 38


class Order(msgspec.Struct, frozen=True):
    """An order, written as JSON."""

    id: int
    customer: str
    country: str
    product: str
    qty: int
    price: float


def demo(
    *,
    store: Annotated[str, Parameter(help="The broker's store.")] = STORE,
    listen: Annotated[Sequence[str], Parameter(help="HOST:PORT to listen on.")] = (DEFAULT_BOOTSTRAP,),
    for_: Annotated[
        str, Parameter(name="--for", help="How long to run, such as 20s or 2m; by default until Ctrl-C.")
    ] = "",
    rate: Annotated[float, Parameter(help="Orders a second.")] = 3.0,
    json: Json = False,
) -> int:
    """Start a broker, write orders, and show what an operator derives from them."""
    configure_logs("warning")
    return run_async(_demo, Flags(store=store, listen=tuple(listen)), for_, rate, json)


async def _demo(flags: Flags, lasts: str, rate: float, json: bool) -> None:
    lasts_s = parse_duration(lasts)
    if not rate > 0:
        raise Unfit(f"--rate {rate}: give a number of orders a second above 0.")
    settings = settings_from(flags)
    async with serving(settings) as broker:
        if not json:
            print("\n".join(describe(settings)), flush=True)
        with trio.move_on_after(lasts_s):
            await _play(broker, rate, json)
    if not json:
        print(f"\n{_ending(settings.store.url)}")


def _ending(store: str) -> str:
    if store.startswith("memory:"):
        return "Stopped. The records were in memory and are gone."
    return f"Stopped. All records are in {store}. To continue: {own_command()} up --store {shlex.quote(store)}"


async def _play(broker: Broker, rate: float, json: bool) -> None:
    advertised = bound_addresses(broker)[0][1]
    runtime = Runtime()
    async with open_cluster(connect_tcp, runtime, [(advertised.host, advertised.port)]) as cluster:
        applied = await apply_text(cluster, TOPOGRAPHY, "demo.toml")
        if applied.errors:
            raise Unfit(f"The demo's topography cannot be applied to this store: {applied.errors[0].message}")
        show = _show(str(advertised), json)
        async with open_producer(cluster) as producer, background() as nursery:
            derived = Consumer(cluster)
            derived.assign({(DERIVED, one): LATEST for one in (await cluster.topic(DERIVED)).leaders})
            await derived.resolve_positions()
            nursery.start_soon(_watch, derived, show)
            await _write(producer, runtime, show, rate, first=FIRST_ORDER_ID + await _orders_so_far(cluster))


def _show(bootstrap: str, json: bool) -> "_Show":
    if json:
        return _Documents()
    _explain(bootstrap)
    return _Columns() if sys.stdout.isatty() else _Lines()


def _explain(bootstrap: str) -> None:
    flag = "" if bootstrap == DEFAULT_BOOTSTRAP else f" --bootstrap {bootstrap}"
    print(
        f"  listening  {bootstrap}\n\n"
        f"{TOPOGRAPHY}\n"
        f"Meanwhile, from another terminal, with any Kafka client:\n"
        f"  kcat -C -b {bootstrap} -t {DERIVED}\n"
        f"  {own_command()} consume {DERIVED}{flag}\n"
        f"  {own_command()} operator list{flag}\n"
        "Ctrl-C stops it.\n",
        flush=True,
    )


async def _write(
    producer: Producer, runtime: Runtime, show: "_Show", rate: float, *, first: int
) -> None:
    for number in itertools.count(first):
        order = _order(runtime, number)
        value = msgspec.json.encode(order)
        result = await producer.produce(SOURCE, value, key=order.customer.encode())
        show.written(order, "" if isinstance(result, Stored) else result.message)
        await trio.sleep(1 / rate * (0.5 + runtime.random.random()))


async def _orders_so_far(cluster: Cluster) -> int:
    partitions = [(SOURCE, one) for one in (await cluster.topic(SOURCE)).leaders]
    ends = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
    return sum(end.offset for end in ends.values())


async def _watch(consumer: Consumer, show: "_Show") -> None:
    while True:
        for record in await consumer.poll(POLL_S):
            show.derived(record)


def _order(runtime: Runtime, number: int) -> Order:
    chance = runtime.random
    product, price = chance.choice(PRODUCTS)
    customer = chance.randrange(len(CUSTOMERS))
    (quantity,) = chance.choices(QUANTITIES, WEIGHTS)
    return Order(number, CUSTOMERS[customer], COUNTRIES[customer], product, quantity, price)


def _sentence(order: Order) -> str:
    # Anybody may have written the order.
    return printable(f"#{order.id} {order.customer}: {order.qty} x {order.product}")


class _Show(Protocol):
    """Shows orders, once when they are written and once when they are derived."""

    def written(self, order: Order, failure: str) -> None: ...

    def derived(self, record: ConsumedRecord) -> None: ...


class _Documents:
    """A JSON object for each order, for programs."""

    def written(self, order: Order, failure: str) -> None:
        print_json({"topic": SOURCE, "order": order, **({"failure": failure} if failure else {})})

    def derived(self, record: ConsumedRecord) -> None:
        order = msgspec.Raw(record.value or b"null")
        print_json({"topic": DERIVED, "partition": record.partition, "offset": record.offset, "order": order})


class _Lines:
    """Plain lines, for pipes and logs."""

    def written(self, order: Order, failure: str) -> None:
        print(f"{SOURCE}  {failure or _sentence(order)}", flush=True)

    def derived(self, record: ConsumedRecord) -> None:
        order = msgspec.json.decode(record.value or b"", type=Order)
        print(f"{DERIVED}   {_sentence(order)}  (partition {record.partition}, offset {record.offset})", flush=True)


class _Columns:
    """Two columns: orders written, and orders derived."""

    def __init__(self) -> None:
        self._width = max(COLUMN_MIN, shutil.get_terminal_size().columns // 2 - 2)
        self._row(f"{SOURCE} (written)", f"{DERIVED} (derived where qty > {LARGER_THAN})")
        self._row("-" * (self._width - 2), "-" * (self._width - 2))

    def written(self, order: Order, failure: str) -> None:
        self._row(failure or _sentence(order), "")

    def derived(self, record: ConsumedRecord) -> None:
        order = msgspec.json.decode(record.value or b"", type=Order)
        self._row("", f"{_sentence(order)}  [{record.partition}] {record.offset}")

    def _row(self, left: str, right: str) -> None:
        print(f"{left[: self._width - 2].ljust(self._width)}{right[: self._width]}".rstrip(), flush=True)
