"""Config entries: what was acknowledged is what every node tells from then on, until it is changed again."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.checks.ledger import Replayed
from tests.simulation.workloads.configuring import ENTRIES
from tests.simulation.workloads.stage import PLAIN

Report = Callable[[str, object], None]
EVENTS = frozenset({"config", "configured", "config-look"})


def check_configs(events: Iterable[dict[str, Any]], replayed: Replayed, report: Report) -> None:
    """One role changes an entry, one step at a time; a change without an answer may take effect at any later time."""
    stands: dict[str, str] = {}
    open_ended: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event["e"] not in EVENTS:
            continue
        entry = event["k"]
        match event["e"]:
            case "config":
                open_ended[entry].add(str(event["n"]))
            case "configured":
                stands[entry] = str(event["n"])
                open_ended[entry].discard(str(event["n"]))
            case "config-look":
                if entry in stands and event["v"] not in {stands[entry], *open_ended[entry]}:
                    report("config-old", {"acknowledged": stands[entry], "told": event["v"], **event})
    own = replayed.state.topics.by_name[PLAIN].configs
    for entry in ENTRIES:
        if entry in stands and own.get(entry) not in {stands[entry], *open_ended[entry]}:
            report("config-lost", f"{entry} is {own.get(entry)} in the end; {stands[entry]} was acknowledged")
