"""Layers: every room of the product imports only from rooms on lower floors. See docs/architecture.md."""

import ast
import importlib
import sys

import pytest

from higgins.ledger.state.base import Proposal
from tests.tidy.imports import PACKAGES, ROOT, Import, imports, modules

FLOORS = {
    "higgins": 0,
    "higgins.runtime": 0,
    "higgins_protocol": 1,
    "higgins.telemetry": 1,
    "higgins.model": 2,
    "higgins.config": 3,
    "higgins.server": 3,
    "higgins.client": 3,
    "higgins.storage": 3,
    "higgins.columns": 3,
    "higgins.ledger": 4,
    "higgins.log": 5,
    "higgins.groups": 6,
    "higgins.operators": 7,
    "higgins.admin": 8,
    "higgins.kafka": 9,
    "higgins.web": 9,
    "higgins.settings": 10,
    "higgins.broker": 11,
    "higgins.cli": 12,
    "higgins.testing": 12,
    "higgins.__main__": 13,
    "higgins.pytest_plugin": 13,
}
SURFACES = 9

ALL = imports()


def room_of(module: str) -> str:
    """The room a module belongs to: a package below `higgins`, a module beside them, or the protocol as a whole."""
    parts = module.split(".")
    return parts[0] if parts[0] == "higgins_protocol" else ".".join(parts[:2])


def ours(one: Import) -> bool:
    return one.module.split(".")[0] in PACKAGES


def target_of(one: Import) -> str:
    """The module that is really imported: `from higgins import runtime` is `higgins.runtime`."""
    deeper = f"{one.module}.{one.name}"
    return deeper if one.name and deeper in modules() else one.module


def fail_with(violations: list[str]) -> None:
    if violations:
        pytest.fail("\n".join(["", *sorted(set(violations))]), pytrace=False)


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(module) for module in modules()}
    fail_with([f"Room {room} has no floor. Add it to FLOORS in this file." for room in rooms - FLOORS.keys()])


def test_rooms_import_only_from_floors_below() -> None:
    violations = []
    for one in filter(ours, ALL):
        room, other = room_of(one.importer), room_of(target_of(one))
        if room != other and FLOORS[other] >= FLOORS[room] and FLOORS[room]:
            direction = "sideways" if FLOORS[other] == FLOORS[room] else "up"
            violations.append(
                f"{one.where}: {room} (floor {FLOORS[room]}) imports {direction} from {other} (floor {FLOORS[other]}); "
                "move the shared code to a lower floor, or pass the object in as an argument."
            )
    fail_with(violations)


def test_rooms_on_floor_0_import_no_other_room() -> None:
    fail_with([f"{one.where}: {one.importer} is on floor 0 and imports {one.module}." for one in filter(ours, ALL)
          if FLOORS[room_of(one.importer)] == 0 and room_of(target_of(one)) != room_of(one.importer)])  # fmt: skip


def test_the_protocol_does_not_import_the_broker() -> None:
    fail_with([f"{one.where}: the protocol imports {one.module}; it must be usable without the broker." for one in ALL
          if one.importer.startswith("higgins_protocol") and one.module.split(".")[0] == "higgins"])  # fmt: skip


def test_imports_are_absolute() -> None:
    relative = [one for one in ALL if one.module.startswith(".")]
    fail_with([f"{one.where}: relative import; write the full module name." for one in relative])


def test_the_protocol_is_imported_by_its_package_name() -> None:
    fail_with([f"{one.where}: imports '{one.module}'; import higgins_protocol instead." for one in ALL
          if one.module.split(".")[0] == "protocol"])  # fmt: skip


def test_no_import_cycle_is_hidden_behind_type_checking() -> None:
    advice = "this import is under TYPE_CHECKING, which hides a cycle; move the shared type to a lower module."
    fail_with([f"{one.where}: {advice}" for one in ALL if one.for_types_only])


@pytest.mark.parametrize(
    ("library", "home", "why"),
    [
        ("construct", "higgins_protocol", "it defines the wire grammar"),
        ("obstore", "higgins.storage", "other rooms use the Store port"),
        ("starlette", "higgins.web", "it defines the routes"),
        ("anycorn", "higgins.web", "a node without HTTP must not import it"),
        ("prometheus_client", "higgins.web", "a node without HTTP must not import it"),
        ("rich", "higgins.cli", "it writes to terminals"),
        ("threading", "higgins.runtime", "use Runtime.offload"),
        ("concurrent", "higgins.runtime", "use Runtime.offload"),
        ("time", "higgins.runtime", "use Runtime, so that the simulation can set the clock"),
        ("secrets", "higgins.runtime", "use Runtime, so that the simulation can set the seed"),
        ("uuid", "higgins.runtime", "use Runtime, so that the simulation can set the seed"),
    ],
)
def test_a_library_stays_in_its_room(library: str, home: str, why: str) -> None:
    fail_with([f"{one.where}: {one.importer} imports {one.module}, which only {home} may import: {why}." for one in ALL
          if one.module.split(".")[0] == library and not one.importer.startswith(home)])  # fmt: skip


# Types and pure functions of these modules may be used everywhere. Functions that read the clock, draw random numbers
# or start threads may not: the simulation could not control them.
RUNTIME_ONLY = {
    "trio": {"to_thread"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "random": {"random", "randint", "randrange", "choice", "shuffle", "uniform", "seed", "SystemRandom"},
    "os": {"urandom", "getrandom", "times"},
}


def test_only_the_runtime_uses_clocks_randomness_and_threads() -> None:
    violations = []
    for module, path in modules().items():
        if module == "higgins.runtime":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
                continue
            if node.attr in RUNTIME_ONLY.get(node.value.id, ()):
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                violations.append(f"{where}: {node.value.id}.{node.attr} may be used only by higgins.runtime.")
    fail_with(violations)


def test_only_surfaces_use_protocol_messages() -> None:
    violations = []
    for one in filter(ours, ALL):
        room = room_of(one.importer)
        if FLOORS[room] >= SURFACES or room in {"higgins_protocol", "higgins.client"}:
            continue
        if one.module.startswith("higgins_protocol.messages") or one.name.endswith(("Request", "Response")):
            violations.append(
                f"{one.where}: {one.importer} imports the message {one.module}.{one.name}; "
                "only surfaces and the client may."
            )
    fail_with(violations)


SURFACE_ROOMS = ("higgins.kafka.", "higgins.web.")
PROPOSING = {"propose", "propose_all", "submit", "submit_all"}


def test_surfaces_make_no_proposals() -> None:
    # The use cases of admin propose, and so do the log's writer, the producer ids and the groups' coordinator. Surfaces
    # call these, so that all of them have the same validation, limits and messages.
    violations = []
    for one in ALL:
        if not one.importer.startswith(SURFACE_ROOMS) or not one.module.startswith("higgins.ledger"):
            continue
        kind = getattr(importlib.import_module(one.module), one.name, None) if one.name else None
        if isinstance(kind, type) and issubclass(kind, Proposal):
            violations.append(f"{one.where}: {one.importer} imports the proposal {one.name}; call a use case of admin.")
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())) if module.startswith(SURFACE_ROOMS) else ():
            if isinstance(node, ast.Attribute) and node.attr in PROPOSING and "ledger" in ast.unparse(node.value):
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                violations.append(f"{where}: {module} proposes to the ledger; call a use case of admin.")
    fail_with(violations)


@pytest.mark.parametrize(
    ("room", "forbidden", "why"),
    [
        ("higgins.log", "higgins.operators", "the log is independent of operators"),
        ("higgins.ledger", "higgins.operators", "the ledger knows tasks, not operators"),
        ("higgins.storage", "higgins.ledger", "a store knows only keys and bytes"),
        ("higgins.operators", "higgins.storage.store", "operators store nothing outside the ledger and the log"),
        ("higgins.kafka", "higgins.storage", "handlers do not use storage directly"),
        ("higgins.settings", "higgins.kafka", "settings are below the surfaces"),
        ("higgins.config", "higgins.ledger", "the tables of config entries are only data"),
    ],
)
def test_rooms_do_not_import_forbidden_modules(room: str, forbidden: str, why: str) -> None:
    fail_with([f"{one.where}: {one.importer} imports {target_of(one)}; {why}." for one in ALL
          if f"{one.importer}.".startswith(room + ".") and target_of(one).startswith(forbidden)])  # fmt: skip


def test_the_product_uses_no_other_kafka_client() -> None:
    foreign = {"kafka", "confluent_kafka", "aiokafka", "kio", "boto3", "moto"}
    fail_with([f"{one.where}: imports {one.module}; use higgins.client instead." for one in ALL
          if one.module.split(".")[0] in foreign])  # fmt: skip


def test_the_imports_are_complete() -> None:
    # Otherwise the tests above could pass because no imports were found.
    assert len(ALL) > 500 and len(modules()) > 100
    assert {room_of(one.importer) for one in ALL} >= set(FLOORS) - {"higgins", "higgins.telemetry"}
    assert any(one.module == "construct" for one in ALL) and any(one.module == "obstore" for one in ALL)
    assert "higgins_protocol" not in sys.stdlib_module_names
