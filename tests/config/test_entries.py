"""The tables of config entries: complete, consistent with the settings of Higgins, and printed without loss."""

import msgspec
import pytest

from higgins.admin.configs.live import StaticConfig
from higgins.config.entries.brokers import BROKER_ENTRIES
from higgins.config.entries.document import as_markdown, as_rows
from higgins.config.entries.entry import ENFORCED, NO_EFFECT, ConfigType, Entry, at_least, list_items, list_of
from higgins.config.entries.groups import BOUNDS, GROUP_ENTRIES
from higgins.config.entries.startup import OUTDATED, REPLACED, WITH_SETTING, WITHOUT_EFFECT
from higgins.config.entries.tables import TABLES
from higgins.config.entries.topics import TOPIC_ENTRIES
from higgins.settings import Settings

EVERY = [entry for table in TABLES.values() for entry in table.values()]
# Those of Kafka 4.2, and one of Higgins.
TOPIC_NAMES = 33 + 1


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.name)
def test_an_entry_says_what_it_is_and_what_it_does_here(entry: Entry) -> None:
    assert entry.documentation.endswith(".") and entry.documentation[0].isupper()
    assert entry.effect.startswith((ENFORCED, NO_EFFECT)) and not entry.effect.endswith(".")
    if entry.default is not None:
        assert entry.normalize(entry.default) == entry.default


def test_synonyms_and_bounds_are_entries_of_the_broker() -> None:
    assert {name for entry in EVERY for name in entry.synonyms} <= BROKER_ENTRIES.keys()
    assert {bound for pair in BOUNDS.values() for bound in pair if bound} <= BROKER_ENTRIES.keys()
    assert BOUNDS.keys() <= GROUP_ENTRIES.keys()
    assert len(TOPIC_ENTRIES) == TOPIC_NAMES


@pytest.mark.parametrize("entry", TOPIC_ENTRIES.values(), ids=lambda entry: entry.name)
def test_a_topics_default_is_that_of_the_brokers_entry(entry: Entry) -> None:
    for synonym in entry.synonyms[:1]:
        theirs = BROKER_ENTRIES[synonym]
        assert theirs.default in {entry.default, None}
        assert theirs.type is entry.type
        # Below the size of a header no batch is ever taken; only a single topic may be closed that way.
        assert theirs.domain.description == entry.domain.description or theirs.name == "message.max.bytes"


@pytest.mark.parametrize("name, field", WITH_SETTING.items())
def test_what_sets_a_field_of_ours_has_its_default(name: str, field: str) -> None:
    room, _, key = field.partition(".")
    default = getattr(getattr(Settings(), room), key)
    shown = str(default).lower() if isinstance(default, bool) else None if default is None else str(default)
    assert BROKER_ENTRIES[name].default in {shown, "-1" if default is None else shown}


def test_what_a_node_is_started_with_is_served_or_replaced_or_idle_and_never_two_of_them() -> None:
    assert not WITH_SETTING.keys() & REPLACED.keys() and not WITHOUT_EFFECT & {*WITH_SETTING, *REPLACED}
    assert {*WITH_SETTING, *REPLACED, *WITHOUT_EFFECT} == BROKER_ENTRIES.keys() | OUTDATED
    assert all(entry.has_no_effect or "enforced" in entry.effect for entry in BROKER_ENTRIES.values())


def test_every_field_that_changes_while_running_is_one_of_the_live_rooms() -> None:
    rooms = {field.name for field in msgspec.structs.fields(StaticConfig)}
    dynamic = [field for name, field in WITH_SETTING.items() if not BROKER_ENTRIES[name].is_read_only]
    assert dynamic and all(field.partition(".")[0] in rooms for field in dynamic)


def test_every_entry_is_on_the_page() -> None:
    page = as_markdown()
    for entry in EVERY:
        assert f"| `{entry.name}` | {entry.type.name.lower()} |" in page
    assert len(as_rows()) == len(EVERY)
    assert all(line.count(" | ") == 6 for line in page.splitlines() if line.startswith("| `")), "a cell breaks its row"


FEW = list_of("a", "b", "0", "7", "true", "1.0")
SPELLINGS = [
    (ConfigType.LONG, " 7 ", "7"),
    (ConfigType.LONG, "+7", "7"),
    (ConfigType.INT, "-0", "0"),
    (ConfigType.BOOLEAN, "TRUE", "true"),
    (ConfigType.DOUBLE, "1", "1.0"),
    (ConfigType.LIST, " a, b,a ", "a,b"),
    (ConfigType.STRING, " a ", "a"),
]


@pytest.mark.parametrize("kind, given, normal", SPELLINGS)
def test_a_value_has_one_spelling(kind: ConfigType, given: str, normal: str) -> None:
    assert msgspec.structs.replace(EVERY[1], type=kind, domain=FEW).normalize(given) == normal


MALFORMED = [
    (ConfigType.INT, str(1 << 31)),
    (ConfigType.SHORT, "32768"),
    (ConfigType.LONG, str(1 << 63)),
    (ConfigType.LONG, "1.5"),
    (ConfigType.LIST, "a,,b"),
    (ConfigType.LIST, "a,"),
    (ConfigType.LONG, "\u0667"),
    (ConfigType.LONG, "9" * 5_000),
    (ConfigType.BOOLEAN, "1"),
    (ConfigType.DOUBLE, "inf"),
    (ConfigType.LIST, "a,c"),
    (ConfigType.STRING, "a" * 20_000),
]


@pytest.mark.parametrize("kind, given", MALFORMED, ids=[kind.name for kind, _ in MALFORMED])
def test_a_malformed_value_says_what_is_wrong(kind: ConfigType, given: str) -> None:
    with pytest.raises(ValueError, match=r"is not|contains|neither|characters"):
        msgspec.structs.replace(EVERY[1], type=kind, domain=FEW).normalize(given)


def test_domains_say_their_bounds() -> None:
    assert at_least(3).error("2") and not at_least(3).error("3")
    assert list_items("a,,b, a") == ["a", "b"]
