"""Checks of config entries: every node returns an acknowledged value until it is changed again."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.checks.ledger import Replayed
from tests.simulation.workloads.configuring import ENTRIES
from tests.simulation.workloads.context import PLAIN

Report = Callable[[str, object], None]
EVENTS = frozenset({"config", "configured", "config-look"})


def check_configs(events: Iterable[dict[str, Any]], replayed: Replayed, report: Report) -> None:
    """Each entry has one writer. A change without a response may take effect at any later time."""
    acknowledged: dict[str, str] = {}
    unanswered: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event["e"] not in EVENTS:
            continue
        entry = event["k"]
        match event["e"]:
            case "config":
                unanswered[entry].add(str(event["n"]))
            case "configured":
                acknowledged[entry] = str(event["n"])
                unanswered[entry].discard(str(event["n"]))
            case "config-look":
                if entry in acknowledged and event["v"] not in {acknowledged[entry], *unanswered[entry]}:
                    report("config-old", {"acknowledged": acknowledged[entry], "read": event["v"], **event})
    own = replayed.state.topics.by_name[PLAIN].configs
    for entry in ENTRIES:
        if entry in acknowledged and own.get(entry) not in {acknowledged[entry], *unanswered[entry]}:
            report("config-lost", f"{entry} is {own.get(entry)} at the end; {acknowledged[entry]} was acknowledged")
