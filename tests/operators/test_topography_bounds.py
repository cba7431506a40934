"""Files of strangers: bounds, marks, names that TOML splits, and the ways on that messages offer."""

import re
import tracemalloc

import pytest

from higgins.operators.topography.adopt import AdoptionError, start_offsets, start_text
from higgins.operators.topography.bounds import DEPTH_MAX, KEY_PARTS_MAX, KEYS_MAX, WORD_CHARACTERS_MAX
from higgins.operators.topography.check import check
from higgins.operators.topography.document import Topography
from higgins.operators.topography.table import PROBLEMS_MAX, TopographyError
from tests.operators.test_topography import LARGE, ORDERS, World, check_config, problems

SOURCE = "[streams.a]\n"
MEMORY_BYTES_MAX = 40 << 20


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (".".join("a" * 20_000) + " = 1", 1, "too many parts"),
        ("\n\nx = {" + ".".join("a" * 20_000) + " = 1}", 3, "too many parts"),
        ("\n[" + " . ".join("a" * 20_000) + "]", 2, "too many parts"),
        (SOURCE + ".".join(['"a.b"'] * 20_000) + " = 1", 2, "too many parts"),
        ("x = " + "[" * 100_000, 1, "nested too deeply"),
        (SOURCE + "x = " + "{a = " * 20_000, 2, "nested too deeply"),
        (SOURCE + "x = [\n" * 20_000, 2 + DEPTH_MAX, "nested too deeply"),
        (SOURCE + "partitions = " + "9" * 5_000, 2, "5000 characters"),
        (SOURCE + "partitions = 0x" + "f" * 5_000, 2, "characters"),
        (SOURCE + "partitions = 1." + "9" * 5_000, 2, "characters"),
        (SOURCE + "partitions = 1e" + "9" * 5_000, 2, "characters"),
        (SOURCE + "partitions = -" + "9" * 350, 2, "whole number from 1"),
        (SOURCE + "partitions = 1e400", 2, "whole number from 1"),
        (SOURCE + "partitions = nan", 2, "whole number from 1"),
        (SOURCE + "config.x = 2024-05-01", 2, "must be a string, a number or a boolean"),
        (SOURCE + '"' + "b" * 1_000_000 + '" = 1', 2, "no key 'bbb"),
        ('[streams."' + "b" * 1_000_000 + '"]', 1, "invalid name"),
        (SOURCE + 'format = "' + "b" * 1_000_000 + '"', 2, "no format"),
        (SOURCE + 'base = "' + "b" * 1_000_000 + '"\nwhere = "c"', 2, "not declared"),
        (SOURCE + 'base = "a"\ntype = "' + "b" * 1_000_000 + '"', 3, "no operator"),
        (SOURCE + "base = 'a'\nwhere = 'x > " + "9" * 5_000 + "'", 3, "5000 digits"),
        (SOURCE + "base = 'a'\nwhere = '" + "(" * 5_000 + "'", 3, "nested too deeply"),
        (SOURCE + "base = 'a'\nwhere = '" + "x" * 500_000 + "'", 3, "8192 are allowed"),
        (SOURCE + "base = 'a'\nwhere = '" + "a." * 3_000 + "a'", 3, "nested too deeply"),
        ('x = """' + '\\"""' * 200_000, 1, "not valid TOML"),
        ("x = '''" + "''" * 200_000, 1, "not valid TOML"),
        ("".join(f"k{n} = 1\n" for n in range(KEYS_MAX + 1)), KEYS_MAX + 1, "too many keys"),
        (SOURCE + "".join(f"k{n} = 1\n" for n in range(KEYS_MAX)), 2, "no key 'k0'"),
        ("\udcff = 1", 1, "not valid TOML"),
        ("x = 0000-00-00", 1, "not valid TOML"),
    ],
)
def test_a_file_beyond_a_bound_is_refused_with_its_line_before_it_takes_memory(
    text: str, line: int, words: str
) -> None:
    tracemalloc.start()
    try:
        reported = problems(text)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()
    assert words in reported[line], {at: message[:100] for at, message in reported.items()}
    assert len(reported) <= PROBLEMS_MAX
    assert all(len(message) < 1_500 for message in reported.values())


def test_what_lies_within_the_bounds_is_read() -> None:
    deep = "[" * (DEPTH_MAX - 1) + "1" + "]" * (DEPTH_MAX - 1)
    for text in (
        f"x = {deep}",
        "x." + ".".join(["a"] * (KEY_PARTS_MAX - 1)) + " = 1",
        "x = " + "9" * WORD_CHARACTERS_MAX,
        f'x = "{"[." * 500}" # {"[." * 500}',
        f"x = '''{'[.' * 500}'''",
        'x = """\n' + "[." * 500 + '\n""""',
        "x = [" + "1.5, " * 1_000 + "]",
    ):
        assert problems(text + "\n[streams.a]\n") == {1: "A topography has no table 'x'. Known are: streams."}, text


@pytest.mark.parametrize("names", [200, 999])
def test_chains_and_circles_of_streams_are_checked_without_walking_each(names: int) -> None:
    chain = "[streams.s0]\n" + "".join(f"[streams.s{n}]\nbase = 's{n - 1}'\nwhere = 'a'\n" for n in range(1, names))
    assert len(check(chain, Topography(), check_config)[0].streams) == names
    circle = "".join(f"[streams.s{n}]\nbase = 's{(n + 1) % names}'\nwhere = 'a'\n" for n in range(names))
    assert all("derives from itself" in message for message in problems(circle).values())
    tail = circle + "[streams.t]\nbase = 's0'\nwhere = 'a'\n"
    assert 1 <= len(problems(tail)) <= PROBLEMS_MAX


def test_a_circle_through_an_earlier_file_is_found() -> None:
    applied, _ = check("[streams.a]\n[streams.b]\nbase = 'a'\nwhere = 'x'\n", Topography(), check_config)
    assert "derives from itself" in problems("[streams.a]\nbase = 'b'\nwhere = 'x'\n", applied)[2]


@pytest.mark.parametrize(
    "text", [ORDERS + LARGE, (ORDERS + LARGE).replace("\n", "\r\n"), (ORDERS + LARGE).rstrip("\n")]
)
def test_a_mark_in_front_and_line_ends_do_not_matter(text: str) -> None:
    plain = check(ORDERS + LARGE, Topography(), check_config)[0]
    assert check("\ufeff" + text, Topography(), check_config)[0] == plain
    assert problems("\ufeff[streams.a]\ncolour = 1\n").keys() == {2}


@pytest.mark.parametrize(
    ("text", "line", "header"),
    [
        ('[streams.orders.eu]\nformat = "json"\n', 1, "orders.eu"),
        ('[streams.orders.eu.west]\nformat = "json"\n', 1, "orders.eu.west"),
        ('streams.orders.eu.format = "json"\n', 1, "orders.eu"),
        ('[streams.orders]\n[streams.orders.eu]\nbase = "orders"\nwhere = "a"\n', 2, "orders.eu"),
        ('[streams]\norders.eu = {format = "json"}\n', 2, "orders.eu"),
        ("[streams.shop.topic]\nformat = 'json'\n", 1, "shop.topic"),
        ("[streams.shop.partitions]\nformat = 'json'\n", 1, "shop.partitions"),
        ("[streams.shop.map]\nformat = 'json'\n", 1, "shop.map"),
        ("[streams.large]\nbase = 'orders.eu'\nwhere = 'a'\n", 2, "orders.eu"),
        ("[streams]\n'orders.eu' = 5\n", 2, "orders.eu"),
    ],
)
def test_a_name_that_toml_splits_is_shown_in_quotes(text: str, line: int, header: str) -> None:
    message = problems(text)[line]
    assert f'[streams."{header}"]' in message
    # What it shows is a header that is read.
    found = re.search(r"\[streams\..*\]", message)
    assert found and header in check(found.group() + "\n", Topography(), check_config)[0].streams


@pytest.mark.parametrize(
    "text",
    [
        "[streams.a]\nbase = orders\n",
        "[streams.a]\nwhere = qty > 5\n",
        "[streams.my orders]\n",
        "[streams.bestellungen-ü]\n",
        "[streams.a]\nmy key = 1\n",
    ],
)
def test_what_lacks_quotes_is_told_so(text: str) -> None:
    assert "needs quotes" in "".join(problems(text).values())


# What exists.


def test_derived_streams_may_stand_before_their_bases() -> None:
    huge = "[streams.huge]\nbase = 'large'\ntype = 'filter'\nwhere = 'qty > 900'\n"
    for parts in ((huge, LARGE, ORDERS), (LARGE, huge, ORDERS), (huge, ORDERS, LARGE)):
        world = World()
        world.apply("".join(parts))
        assert set(world.state.tasks.sets) == {"large", "huge"}
        assert world.partitions() == {"orders": 2, "large": 2, "huge": 2}
        assert world.plan("".join(parts)).proposal is None


def test_a_source_that_changes_is_checked_against_the_filters_applied_before() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    reported = world.problems("\n\n[streams.orders]\nformat = 'bytes'\n")
    assert "where of 'large'" in reported[3] and "no field 'qty'" in reported[3]
    world.apply("[streams.keyed]\nbase = 'orders'\nwhere = \"$key = 'x'\"\n")
    assert world.state.tasks.sets.keys() == {"large", "keyed"}


@pytest.mark.parametrize(
    ("partitions", "words"), [(1, "at least 1"), (2, ""), (3, "higgins topic partitions orders 3")]
)
def test_partitions_of_a_file_are_a_least_number(partitions: int, words: str) -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    text = ORDERS.replace("partitions = 2", f"partitions = {partitions}") + LARGE
    if partitions > 2:
        assert words in world.problems(text)[3]
        return
    world.apply(text)
    plan = world.plan(text)
    assert (plan.proposal, plan.changes) == (None, ())
    assert len(plan.notes) == bool(words) and words in "".join(plan.notes)
    assert world.partitions()["orders"] == 2


# Adoption.


def test_the_topic_of_a_deleted_operator_is_adopted_from_where_the_user_says() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    topic = world.state.topics.by_name["large"].id
    way_on = world.delete("large")[1]
    message = world.problems(ORDERS + LARGE)[5]
    for offer in ("--adopt large=latest", 'topic = "large.2"', "higgins topic delete large"):
        assert offer in message
    found = re.search(r"--adopt large=(\S+)", way_on)
    assert found
    for start in ("latest", "earliest", "0", found[1]):
        changes = world.apply(ORDERS + LARGE, adopt={"large": start})
        assert changes[0] == "Topic 'large' is adopted, with its records, by operator 'large'."
        assert world.state.topics.by_name["large"].id == topic
        assert world.state.topics.by_name["large"].owner == "large"
        assert [each.next_offset for each in world.state.tasks.positions("large")] == [0, 0]
        # Again, also with the same words, changes nothing.
        assert world.plan(ORDERS + LARGE, adopt={"large": start}).proposal is None
        world.delete("large")


@pytest.mark.parametrize(
    ("adopt", "words"),
    [
        ({"large": "soon"}, "is no start"),
        ({"large": "1"}, "ends at 0, before offset 1"),
        ({"large": "7:0"}, "no partition 7"),
        ({"large": "0:1"}, "ends at 0"),
        ({"large": "-1"}, "is no start"),
        ({"large": "9" * 5_000}, "is no start"),
        ({"large": ""}, "is no start"),
        ({"orders": "latest"}, "no derived stream 'orders'"),
        ({"lagre": "latest"}, "no derived stream"),
    ],
)
def test_an_adoption_that_cannot_be_is_a_problem(adopt: dict[str, str], words: str) -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    world.delete("large")
    before = world.state.tasks.version
    with pytest.raises(TopographyError) as caught:
        world.plan(ORDERS + LARGE, adopt=adopt)
    assert any(words in problem.message for problem in caught.value.problems), caught.value
    assert world.state.tasks.version == before


def test_a_topic_with_too_few_partitions_or_an_owner_is_not_adopted() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    world.create("narrow", 1)
    for topic, words in (("narrow", "higgins topic partitions narrow 2"), ("large", "both use topic")):
        with pytest.raises(TopographyError) as caught:
            world.plan(f"[streams.other]\nbase = 'orders'\nwhere = 'a'\ntopic = '{topic}'\n", adopt={"other": "latest"})
        assert words in str(caught.value)


def test_starts_are_read_as_they_are_written() -> None:
    ends = {0: 12, 1: 7, 2: 0}
    assert start_offsets("latest", ends) == ends
    assert start_offsets(" Earliest ", ends) == {0: 0, 1: 0, 2: 0}
    assert start_offsets("0", ends) == {0: 0, 1: 0, 2: 0}
    assert start_offsets("0:12, 1:3", ends) == {0: 12, 1: 3, 2: 0}
    assert start_offsets(start_text(ends), ends) == ends
    for text in ("1:8", "5", "3:0", "1", "0:1:2", "0:", ":1", "0:1,", "0:-1", "٣", "0:" + "9" * 30):
        with pytest.raises(AdoptionError):
            start_offsets(text, ends)
