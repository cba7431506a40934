"""The house: every room imports only from floors below its own. Violations are told in sentences."""

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


def told(sentences: list[str]) -> None:
    if sentences:
        pytest.fail("\n".join(["", *sorted(set(sentences))]), pytrace=False)


def test_every_room_has_a_floor() -> None:
    told([f"Room {room} has no floor yet; give it one here." for room in map(room_of, modules()) if room not in FLOORS])


def test_rooms_import_only_from_floors_below() -> None:
    sentences = []
    for one in filter(ours, ALL):
        room, other = room_of(one.importer), room_of(target_of(one))
        if room != other and FLOORS[other] >= FLOORS[room] and FLOORS[room]:
            way = "sideways" if FLOORS[other] == FLOORS[room] else "up"
            sentences.append(
                f"{one.where}: {room} (floor {FLOORS[room]}) imports {way} from {other} (floor {FLOORS[other]}); "
                "move what both need below them, or hand it down from the composition root."
            )
    told(sentences)


def test_the_ground_floor_stands_alone() -> None:
    told([f"{one.where}: {one.importer} stands on the ground and imports {one.module}." for one in filter(ours, ALL)
          if FLOORS[room_of(one.importer)] == 0 and room_of(target_of(one)) != room_of(one.importer)])  # fmt: skip


def test_the_protocol_knows_nothing_of_the_broker() -> None:
    told([f"{one.where}: the protocol imports {one.module}; it must be usable without the broker." for one in ALL
          if one.importer.startswith("higgins_protocol") and one.module.split(".")[0] == "higgins"])  # fmt: skip


def test_imports_are_absolute() -> None:
    told([f"{one.where}: a relative import; write it in full." for one in ALL if one.module.startswith(".")])


def test_nobody_imports_the_folder_of_the_protocol() -> None:
    told([f"{one.where}: imports '{one.module}'; the package is higgins_protocol." for one in ALL
          if one.module.split(".")[0] == "protocol"])  # fmt: skip


def test_no_circle_is_hidden_behind_type_checking() -> None:
    told([f"{one.where}: imported for types only; a circle is a missing noun." for one in ALL if one.for_types_only])


@pytest.mark.parametrize(
    ("library", "home", "why"),
    [
        ("construct", "higgins_protocol", "the grammar of the wire lives there"),
        ("obstore", "higgins.storage", "all else speaks to the port"),
        ("starlette", "higgins.web", "routes live there"),
        ("anycorn", "higgins.web", "a node without HTTP does not import it"),
        ("prometheus_client", "higgins.web", "a node without HTTP does not import it"),
        ("rich", "higgins.cli", "it is for terminals"),
        ("threading", "higgins.runtime", "threads live behind Runtime.offload"),
        ("concurrent", "higgins.runtime", "threads live behind Runtime.offload"),
        ("time", "higgins.runtime", "the simulation hands in its own clock"),
        ("secrets", "higgins.runtime", "the simulation hands in its own chance"),
        ("uuid", "higgins.runtime", "the simulation hands in its own chance"),
    ],
)
def test_a_library_stays_in_its_room(library: str, home: str, why: str) -> None:
    told([f"{one.where}: {one.importer} imports {one.module}, which belongs to {home}: {why}." for one in ALL
          if one.module.split(".")[0] == library and not one.importer.startswith(home)])  # fmt: skip


# Types and pure functions of these modules are anybody's; what asks the machine for time, chance or threads is not.
DOORS = {
    "trio": {"to_thread"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "random": {"random", "randint", "randrange", "choice", "shuffle", "uniform", "seed", "SystemRandom"},
    "os": {"urandom", "getrandom", "times"},
}


def test_only_the_runtime_asks_for_time_chance_and_threads() -> None:
    sentences = []
    for module, path in modules().items():
        if module == "higgins.runtime":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
                continue
            if node.attr in DOORS.get(node.value.id, ()):
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                sentences.append(f"{where}: {node.value.id}.{node.attr} belongs behind higgins.runtime.")
    told(sentences)


def test_below_the_surfaces_nobody_names_a_request_or_a_response() -> None:
    sentences = []
    for one in filter(ours, ALL):
        room = room_of(one.importer)
        if FLOORS[room] >= SURFACES or room in {"higgins_protocol", "higgins.client"}:
            continue
        if one.module.startswith("higgins_protocol.messages") or one.name.endswith(("Request", "Response")):
            sentences.append(f"{one.where}: {one.importer} names {one.module}.{one.name}; only surfaces know messages.")
    told(sentences)


SURFACE_ROOMS = ("higgins.kafka.", "higgins.web.")
PROPOSING = {"propose", "propose_all", "submit", "submit_all"}


def test_surfaces_make_no_proposals() -> None:
    # The use cases of admin propose, and so do the log's writer, the producer ids and the groups' coordinator. Surfaces
    # call these, so that all of them have the same validation, limits and messages.
    sentences = []
    for one in ALL:
        if not one.importer.startswith(SURFACE_ROOMS) or not one.module.startswith("higgins.ledger"):
            continue
        kind = getattr(importlib.import_module(one.module), one.name, None) if one.name else None
        if isinstance(kind, type) and issubclass(kind, Proposal):
            sentences.append(f"{one.where}: {one.importer} imports the proposal {one.name}; call a use case of admin.")
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())) if module.startswith(SURFACE_ROOMS) else ():
            if isinstance(node, ast.Attribute) and node.attr in PROPOSING and "ledger" in ast.unparse(node.value):
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                sentences.append(f"{where}: {module} proposes to the ledger; call a use case of admin.")
    told(sentences)


@pytest.mark.parametrize(
    ("room", "stranger", "why"),
    [
        ("higgins.log", "higgins.operators", "the log serves everybody alike"),
        ("higgins.ledger", "higgins.operators", "the ledger knows tasks, never operators"),
        ("higgins.storage", "higgins.ledger", "a store knows bytes under keys"),
        ("higgins.operators", "higgins.storage.store", "operators have no storage of their own"),
        ("higgins.kafka", "higgins.storage", "handlers never touch storage"),
        ("higgins.settings", "higgins.kafka", "settings are known below the surfaces"),
        ("higgins.config", "higgins.ledger", "the tables of config entries are data"),
    ],
)
def test_blocks_stay_apart(room: str, stranger: str, why: str) -> None:
    told([f"{one.where}: {one.importer} imports {target_of(one)}; {why}." for one in ALL
          if f"{one.importer}.".startswith(room + ".") and target_of(one).startswith(stranger)])  # fmt: skip


def test_the_core_needs_no_third_party_client() -> None:
    foreign = {"kafka", "confluent_kafka", "aiokafka", "kio", "boto3", "moto"}
    told([f"{one.where}: imports {one.module}; the core has a client of its own." for one in ALL
          if one.module.split(".")[0] in foreign])  # fmt: skip


def test_the_reading_of_imports_sees_what_it_should() -> None:
    # So that none of the tests above passes because nothing was read.
    assert len(ALL) > 500 and len(modules()) > 100
    assert {room_of(one.importer) for one in ALL} >= set(FLOORS) - {"higgins", "higgins.telemetry"}
    assert any(one.module == "construct" for one in ALL) and any(one.module == "obstore" for one in ALL)
    assert "higgins_protocol" not in sys.stdlib_module_names
