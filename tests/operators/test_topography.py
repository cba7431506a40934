"""Topographies: every problem at once with its line, a plan that is one proposal, and nothing to do the second time."""

import itertools
import random
from collections.abc import Mapping
from typing import Any

import pytest

from higgins.ledger.state.base import Proposal
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import CreateTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.operators.kind import DerivedStream
from higgins.operators.kinds import decode_specification
from higgins.operators.topography.check import STREAMS_MAX, check
from higgins.operators.topography.document import Source, Topography, decode
from higgins.operators.topography.lines import KeyLines
from higgins.operators.topography.plan import Plan, plan_application, plan_deletion
from higgins.operators.topography.table import TopographyError

ORDERS = """
[streams.orders]
partitions = 2
"""
LARGE = """
[streams.large]
base = "orders"
type = "filter"
where = "qty * price > 100"
"""


def check_config(configs: Mapping[str, str]) -> str | None:
    return next((f"Unknown topic config '{name}'." for name in configs if name != "retention.ms"), None)


def problems(text: str, applied: Topography | None = None) -> dict[int, str]:
    with pytest.raises(TopographyError) as caught:
        check(text, applied or Topography(), check_config)
    return {problem.line: problem.message for problem in caught.value.problems}


class World:
    """A ledger's state and nothing else: plans are folded as the ledger would fold them."""

    def __init__(self) -> None:
        self.state = State()
        self._ids = itertools.count(1)

    def new_topic_id(self) -> TopicId:
        return TopicId(next(self._ids).to_bytes(16, "big"))

    def plan(self, text: str, adopt: Mapping[str, str] | None = None) -> Plan:
        file, lines = check(text, decode(self.state.tasks.document), check_config)
        return plan_application(
            file, lines, self.state, partitions_default=3, new_topic_id=self.new_topic_id, adopt=adopt
        )

    def problems(self, text: str) -> dict[int, str]:
        with pytest.raises(TopographyError) as caught:
            self.plan(text)
        return {problem.line: problem.message for problem in caught.value.problems}

    def apply(self, text: str, adopt: Mapping[str, str] | None = None) -> tuple[str, ...]:
        return self.commit(self.plan(text, adopt))

    def delete(self, name: str) -> tuple[str, ...]:
        return self.commit(plan_deletion(name, self.state))

    def commit(self, plan: Plan) -> tuple[str, ...]:
        if plan.proposal is not None:
            self._commit(plan.proposal)
        return plan.changes

    def create(self, name: str, partitions: int) -> None:
        self._commit(CreateTopic(name, self.new_topic_id(), partitions))

    def _commit(self, proposal: Proposal[Any]) -> None:
        draft = self.state.draft(0)
        draft.validate(proposal, 0)
        self.state.fold(draft.moment, 0, (), draft.facts, 0)

    def partitions(self) -> dict[str, int]:
        return {topic.name: topic.partitions for topic in self.state.topics.by_id.values()}


# Lines.


def test_lines_of_keys_are_found_whatever_stands_between() -> None:
    text = '''# [streams.no]
[streams.a] # x = 1
k = """
x = 1
[streams.not]
""" # tail
"quoted key" = 'it''s'
list = [ 1, # ] "
  "]", {x = 2},
]
dotted.deep . er = 1
inline = { q = 1 }
[[streams.b]]
last = "\\"#"
[ streams . "c d" ]
end = 1'''.replace("'it''s'", "'its'")
    lines = KeyLines(text)
    expected = {
        ("streams", "a"): 2,
        ("streams", "a", "k"): 3,
        ("streams", "a", "quoted key"): 7,
        ("streams", "a", "list"): 8,
        ("streams", "a", "dotted"): 11,
        ("streams", "a", "dotted", "deep", "er"): 11,
        ("streams", "a", "inline", "q"): 12,
        ("streams", "b", "last"): 14,
        ("streams", "c d"): 15,
        ("streams", "c d", "end"): 16,
        ("streams", "not"): 2,
        ("nothing",): 1,
    }
    assert {path: lines.of(*path) for path in expected} == expected


@pytest.mark.parametrize("seed", range(30))
def test_no_text_makes_the_check_raise_anything_but_problems(seed: int) -> None:
    chance = random.Random(seed)
    text = list(ORDERS + LARGE + '[streams.x.config]\n"retention.ms" = """5"""\nlist = [\'a\', {b = "#"}] # end\n')
    for _ in range(chance.randrange(1, 12)):
        where = chance.randrange(len(text))
        text[where : where + chance.randrange(3)] = chance.choice(
            ["", '"', "'", "[", "]", "\n", "=", "#", "\\", "{", '"""']
        )
    try:
        check("".join(text), Topography(), check_config)
    except TopographyError as error:
        assert all(1 <= problem.line <= "".join(text).count("\n") + 1 for problem in error.problems)


# Problems.


def test_all_problems_are_reported_at_once_each_with_its_line() -> None:
    reported = problems("""[streams.orders]
format = "jsn"
partitions = 0
colour = "red"
config.retention.ms = 5
config.rentention.ms = 5

[streams.large]
base = "order"
type = "fliter"
where = \"\"\"
qty >
 (5
\"\"\"

[streams.third]
base = "fourth"
type = "map"
fn = "a:b"
[streams.fourth]
base = "third"
type = "filter"
where = "qty > 5 and foo(1)"
format = "json"
on_error = "skip"
[stream.x]
[streams."bad name"]
topic = "orders"
format = "avro"
config = 5
[streams.empty]
base = "orders"
[streams.five]
topic = 5
""")
    expected = {
        2: "no format 'jsn'. Did you mean 'json'?",
        3: "whole number from 1",
        4: "no key 'colour'",
        6: "Unknown topic config 'rentention.ms'",
        9: "'large' derives from 'order', which is not declared. Did you mean 'orders'?",
        10: "no operator 'fliter'. Did you mean 'filter'?",
        11: "where of 'large', line 2, column 3: Syntax error",
        17: "derives from itself",
        18: "Operator 'map' is not supported by this version",
        19: "'fn' is not supported by this version",
        21: "derives from itself",
        23: "where of 'fourth', line 1, column 13: There is no function foo",
        24: "belongs to a source",
        25: "'on_error' is not supported by this version",
        26: "no table 'stream'. Did you mean 'streams'?",
        27: "may only hold ASCII letters",
        28: "both use topic 'orders'",
        29: "Format 'avro' is not supported by this version",
        30: "config must be a table",
        31: "does not say what it does",
        34: "topic must be a string",
    }
    assert reported.keys() == expected.keys()
    for line, words in expected.items():
        assert words in reported[line], (line, reported[line])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "declares no streams"),
        ("[streams]\n", 1, "declares no streams"),
        ("streams = 5", 1, "declares no streams"),
        ("[streams.a\n", 1, "not valid TOML"),
        ("[streams.a]\nx = \n", 2, "not valid TOML"),
        ("[streams.a]\n\nx = '''", 3, "not valid TOML"),
        ("[streams.a]\n[streams.a]\n", 2, "not valid TOML"),
        ("[streams]\na = 5\n", 2, "must be a table"),
        ("[schema.x]\n[streams.a]\n", 1, "Schemas are not supported"),
        ("[streams.a]\nbase = 'b'\ntype = 'filter'\nwhere = 5\n[streams.b]\n", 4, "string in quotes"),
        ("[streams.a]\nbase = 'a'\ntype = 'filter'\nwhere = 'b'\n", 2, "derives from itself"),
        ("x = 5\n[streams.a]\n", 1, "no table 'x'"),
        ("[streams.a]\nconfig = {x = [1]}\n", 2, "a string, a number or a boolean"),
        (f"streams = {{ {', '.join(f's{n} = {{}}' for n in range(STREAMS_MAX + 1))} }}", 1, "at most"),
        ("#" * (1 << 20) + "#", 1, "at most"),
        ("x = " + "[" * 3_000, 1, ""),
    ],
)
def test_a_problem_is_reported_on_its_line(text: str, line: int, words: str) -> None:
    reported = problems(text)
    assert words in reported[line], reported


def test_fields_of_bytes_are_refused_wherever_the_source_stands() -> None:
    text = "[streams.a]\nformat = 'bytes'\n[streams.b]\nbase = 'a'\ntype = 'filter'\nwhere = \"$key = 'x'\"\n"
    check(text, Topography(), check_config)
    assert "no field 'qty'" in problems(text + "[streams.c]\nbase = 'b'\ntype = 'filter'\nwhere = 'qty > 5'\n")[10]


# Plans.


def test_a_first_application_makes_topics_and_operators_in_one_proposal() -> None:
    world = World()
    changes = world.apply(ORDERS + LARGE + "[streams.huge]\nbase = 'large'\ntype = 'filter'\nwhere = 'qty > 900'\n")
    assert world.partitions() == {"orders": 2, "large": 2, "huge": 2}
    assert world.state.tasks.version == 1
    topics = world.state.topics.by_name
    assert (topics["orders"].owner, topics["large"].owner, topics["huge"].owner) == ("", "large", "huge")
    large, huge = world.state.tasks.sets["large"], world.state.tasks.sets["huge"]
    assert (large.inputs, large.outputs, large.tasks) == ((topics["orders"].id,), (topics["large"].id,), 2)
    assert (huge.inputs, huge.outputs) == ((topics["large"].id,), (topics["huge"].id,))
    assert decode_specification(large.specification).describe().where == "qty * price > 100"
    assert [each.next_offset for each in world.state.tasks.positions("large")] == [0, 0]
    assert any("Topic 'orders' is created, with 2 partitions." in change for change in changes)
    assert any("Operator 'large' begins" in change for change in changes)


def test_the_same_again_is_no_proposal_and_order_and_comments_do_not_matter() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    for text in (ORDERS + LARGE, LARGE + "# later\n" + ORDERS, LARGE, ORDERS):
        plan = world.plan(text)
        assert (plan.proposal, plan.changes) == (None, ())


def test_what_a_file_does_not_name_stays() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    world.apply("[streams.small]\nbase = 'orders'\ntype = 'filter'\nwhere = 'qty < 5'\n")
    assert set(world.state.tasks.sets) == {"large", "small"}
    assert set(decode(world.state.tasks.document).streams) == {"orders", "large", "small"}


def test_a_changed_condition_is_a_new_generation_of_the_same_tasks() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    before = world.state.tasks.sets["large"]
    (change,) = world.apply(ORDERS + LARGE.replace("100", "200"))
    after = world.state.tasks.sets["large"]
    assert "where qty * price > 100 becomes where qty * price > 200" in change
    assert after.generation > before.generation
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)


def test_a_changed_format_of_a_source_changes_what_derives_from_it() -> None:
    world = World()
    world.apply(ORDERS + "[streams.b]\nbase = 'orders'\ntype = 'filter'\nwhere = \"$key = 'x'\"\n")
    (change,) = world.apply("[streams.orders]\nformat = 'bytes'\n")
    assert "'b' changes" in change
    assert decode_specification(world.state.tasks.sets["b"].specification).describe().format == "bytes"


def test_topics_that_are_there_are_sources_and_take_the_number_they_have() -> None:
    world = World()
    world.create("orders", 5)
    world.apply("[streams.orders]\n" + LARGE)
    assert world.partitions() == {"orders": 5, "large": 5}


def test_a_source_without_a_number_has_the_nodes() -> None:
    world = World()
    world.apply("[streams.orders]\ntopic = 'shop.orders'\nconfig.retention.ms = 60000\n")
    assert world.partitions() == {"shop.orders": 3}
    assert world.state.topics.by_name["shop.orders"].configs == {"retention.ms": "60000"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[streams.orders]\npartitions = 3\n", 2, "has 2 partitions"),
        ("[streams.orders]\nconfig.retention.ms = 5\n", 2, "exists with another retention.ms"),
        ("[streams.large]\n", 1, "derived by an operator"),
        (LARGE + "topic = 'other'\n", 6, "cannot change its topic"),
        (LARGE.replace("orders", "large2") + ORDERS.replace("orders", "large2"), 3, "cannot change its base"),
        ("[streams.taken]\nbase = 'orders'\ntype = 'filter'\nwhere = 'a'\n", 1, "exists already"),
        ("[streams.new]\nbase = 'orders'\ntype = 'filter'\nwhere = 'a'\ntopic = 'taken'\n", 5, "exists already"),
        ("[streams.new]\nbase = 'orders'\ntype = 'filter'\nwhere = 'a'\ntopic = 'large'\n", 5, "both use topic"),
    ],
)
def test_what_contradicts_existing_streams_is_reported_on_its_line(text: str, line: int, words: str) -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    world.create("taken", 1)
    before = world.state.tasks.version
    reported = world.problems(text)
    assert words in reported[line], reported
    assert world.state.tasks.version == before


def test_a_deleted_operator_leaves_its_topic_to_everybody() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    change, way_on = world.delete("large")
    assert "topic 'large' stays" in change
    assert way_on == "To go on where it ended: higgins apply FILE --adopt large=0:0,1:0"
    assert world.state.topics.by_name["large"].owner == ""
    assert decode(world.state.tasks.document).streams.keys() == {"orders"}
    assert "exists already" in world.problems(ORDERS + LARGE)[5]
    with pytest.raises(Refused, match="no operator 'large'"):
        world.delete("large")


def test_a_stream_whose_operator_is_deleted_under_another_becomes_a_source() -> None:
    world = World()
    huge = "[streams.huge]\nbase = 'large'\ntype = 'filter'\nwhere = 'qty > 900'\n"
    world.apply(ORDERS + LARGE + huge)
    world.delete("large")
    streams = decode(world.state.tasks.document).streams
    assert isinstance(streams["large"], Source) and isinstance(streams["huge"], DerivedStream)
    assert world.plan(huge).proposal is None


def test_an_operator_made_anew_has_a_generation_that_was_never_used() -> None:
    world = World()
    world.apply(ORDERS + LARGE)
    first = world.state.tasks.sets["large"].generation
    world.delete("large")
    world.apply(ORDERS + LARGE + "topic = 'large.2'\n")
    assert world.state.tasks.sets["large"].generation > first


def test_a_source_of_an_earlier_file_that_was_deleted_is_made_again_when_needed() -> None:
    world = World()
    world.apply(ORDERS)
    world.state.topics.by_name.clear()
    world.state.topics.by_id.clear()
    world.apply(LARGE)
    assert world.partitions() == {"orders": 2, "large": 2}


def test_a_topic_that_collides_with_another_is_refused_with_its_line() -> None:
    world = World()
    world.create("metrics.cpu_load", 1)
    source = '[streams.cpu]\ntopic = "metrics_cpu.load"\n'
    derived = ORDERS + '[streams.large]\nbase = "orders"\nwhere = "qty > 1"\ntopic = "metrics_cpu_load"\n'
    for text, line in ((source, 2), (derived, derived.count("\n"))):
        (at, message), *others = world.problems(text).items()
        assert at == line and "collides with topic 'metrics.cpu_load'" in message and not others


def test_two_topics_of_one_file_that_collide_are_refused() -> None:
    messages = World().problems('[streams."a.b"]\n[streams.a_b]\n')
    assert messages.keys() == {2} and "'a_b' collides with topic 'a.b'" in messages[2]
