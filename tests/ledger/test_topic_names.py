"""Names of topics that differ only in "." and "_" collide, as in Kafka: metrics write both as "_"."""

import itertools
import random

import pytest

from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import Chronicle

NAMES = ["".join(letters) for letters in itertools.product("a._", repeat=3) if "".join(letters) not in {"..."}]


@pytest.mark.parametrize("seed", range(5))
def test_names_are_taken_exactly_while_no_live_topic_is_alike(seed: int) -> None:
    chance, chronicle = random.Random(seed), Chronicle()
    live: dict[str, TopicId] = {}
    for number in range(300):
        name = chance.choice(NAMES)
        if name in live:
            chronicle.one(DeleteTopic(live.pop(name)))
        elif any(other.replace(".", "_") == name.replace(".", "_") for other in live):
            creation = CreateTopic(name, TopicId(number.to_bytes(16, "big")), 1)
            assert chronicle.refusal(creation) is ErrorCode.INVALID_TOPIC_EXCEPTION
        else:
            live[name] = chronicle.topic(name)
        if number % 50 == 0:
            chronicle = chronicle.restored()


def test_the_refusal_names_the_other_topic() -> None:
    chronicle = Chronicle()
    chronicle.topic("metrics.cpu_load")
    with pytest.raises(Refused, match=r"'metrics_cpu\.load' collides with topic 'metrics\.cpu_load'"):
        chronicle.state.topics.check_collision("metrics_cpu.load")
    chronicle.state.topics.check_collision("metrics.cpu_load")


def test_of_two_colliding_names_in_one_commit_the_first_is_created() -> None:
    chronicle = Chronicle()
    first, second = chronicle.commit(
        CreateTopic("a.b", TopicId(b"1" * 16), 1), CreateTopic("a_b", TopicId(b"2" * 16), 1)
    )
    assert first is None and isinstance(second, Refused)
    assert list(chronicle.state.topics.by_name) == ["a.b"]
