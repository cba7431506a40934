"""Random conditions over random rows: against SQLite where the two dialects mean the same, and over anything at all."""

import random
import sqlite3
from typing import Any

import pytest

from tests.operators.rows import kept

ROWS = 40
CONDITIONS = 25
NUMBERS = ("n", "m", "x")
STRINGS = ("s", "t")


class Writer:
    """Writes conditions whose types fit, because SQLite orders numbers before strings and we say null."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def condition(self, depth: int) -> str:
        choose = self._chance.choice
        if depth <= 0:
            return choose(("(n > 2)", "(s = 'b')", "(x is null)", "(m <> n)", "true", "false", "null"))
        return choose(
            (
                lambda: f"({self.condition(depth - 1)} and {self.condition(depth - 1)})",
                lambda: f"({self.condition(depth - 1)} or {self.condition(depth - 1)})",
                lambda: f"(not {self.condition(depth - 1)})",
                lambda: f"({self.number(depth - 1)} {self.sign()} {self.number(depth - 1)})",
                lambda: f"({self.string(depth - 1)} {self.sign()} {self.string(depth - 1)})",
                lambda: f"({self.number(depth - 1)} is {choose(('', 'not '))}null)",
                lambda: f"({self.condition(depth - 1)} is {choose(('true', 'not true', 'false', 'null'))})",
                lambda: (
                    f"({self.number(depth - 1)} {choose(('', 'not '))}between {self.number(0)} and {self.number(0)})"
                ),
                lambda: (
                    f"({self.number(depth - 1)} {choose(('', 'not '))}in ({self.number(0)}, {self.number(0)}, null))"
                ),
                lambda: f"({self.string(depth - 1)} in ('a', {self.string(0)}))",
                lambda: f"({self.string(depth - 1)} {choose(('', 'not '))}like '{self.pattern()}')",
                lambda: f"({self.string(depth - 1)} like '{self.pattern()}' escape '!')",
                lambda: (
                    f"(case when {self.condition(depth - 1)} then {self.condition(0)} else {self.condition(0)} end)"
                ),
            )
        )()

    def number(self, depth: int) -> str:
        choose = self._chance.choice
        if depth <= 0:
            return choose((*NUMBERS, *NUMBERS, "0", "1", "(-3)", "2.5", "null"))
        return choose(
            (
                lambda: f"({self.number(depth - 1)} {choose('+-*')} {self.number(depth - 1)})",
                lambda: f"({self.number(depth - 1)} / {choose(('2.0', '0.0', 'x'))})",
                lambda: f"({choose(('n', 'm', '7', '-7'))} % {choose(('n', 'm', '3', '0', '-3'))})",
                lambda: f"(- {self.number(depth - 1)})",
                lambda: f"abs({self.number(depth - 1)})",
                lambda: f"length({self.string(depth - 1)})",
                lambda: f"coalesce({self.number(depth - 1)}, {self.number(0)})",
                lambda: f"nullif({self.number(depth - 1)}, {self.number(0)})",
                lambda: f"cast({self.number(depth - 1)} as bigint)",
                lambda: f"case {self.number(0)} when {self.number(0)} then {self.number(0)} when 1 then 2 end",
            )
        )()

    def string(self, depth: int) -> str:
        choose = self._chance.choice
        if depth <= 0:
            return choose((*STRINGS, *STRINGS, "'a'", "'it''s'", "''", "null"))
        return choose(
            (
                lambda: f"({self.string(depth - 1)} || {self.string(depth - 1)})",
                lambda: f"lower({self.string(depth - 1)})",
                lambda: f"upper({self.string(depth - 1)})",
                lambda: f"trim({self.string(depth - 1)})",
                lambda: f"ltrim({self.string(depth - 1)}, 'ab')",
                lambda: f"substr({self.string(depth - 1)}, {choose('123')}, {choose('012')})",
                lambda: f"coalesce({self.string(depth - 1)}, {self.string(0)})",
                lambda: f"case when {self.condition(0)} then {self.string(0)} else {self.string(0)} end",
            )
        )()

    def sign(self) -> str:
        return self._chance.choice(("=", "<>", "<", "<=", ">", ">="))

    def pattern(self) -> str:
        return "".join(self._chance.choice(("%", "_", "a", "b", "B", "!%")) for _ in range(self._chance.randrange(5)))


def some_rows(chance: random.Random) -> list[dict[str, Any]]:
    def row() -> dict[str, Any]:
        found: dict[str, Any] = {
            "n": chance.choice((None, -2, 0, 1, 3)),
            "m": chance.choice((None, 1, 2, 7)),
            "x": chance.choice((None, -0.5, 0.25, 2.5)),
            "s": chance.choice((None, "", "a", "b", "ab", "a%b", " aB ", "it's")),
            "t": chance.choice((None, "b", "B", "abab", "x_y")),
        }
        # A field that is missing and one that is null are the same.
        return {name: value for name, value in found.items() if value is not None or chance.random() < 0.5}

    return [row() for _ in range(ROWS)]


def kept_by_sqlite(expression: str, documents: list[dict[str, Any]]) -> list[int]:
    with sqlite3.connect(":memory:") as database:
        database.execute("pragma case_sensitive_like = true")
        database.execute("create table t0 (row, n, m, x, s, t)")
        database.executemany(
            "insert into t0 values (?, ?, ?, ?, ?, ?)",
            [(n, *(document.get(name) for name in "nmxst")) for n, document in enumerate(documents)],
        )
        return [row for (row,) in database.execute(f"select row from t0 where {expression} order by row")]


JUNK: tuple[Any, ...] = (
    None, True, False, 0, -7, 2**63 - 1, 2**63, -(2**63), 10**30, 0.5, -1e308, 1e308, "", "a", "12", "2024-05-01",
    "0001-01-01T00:00:00+10:00", "\x00", [], [1, "x"], {}, {"a": 1},
)  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_any_condition_over_any_values_is_true_false_or_unknown(seed: int) -> None:
    chance = random.Random(seed)
    writer = Writer(chance)
    documents = [{name: chance.choice(JUNK) for name in (*NUMBERS, *STRINGS)} for _ in range(ROWS)]
    for _ in range(CONDITIONS):
        expression = writer.condition(chance.randrange(1, 5))
        sides = [kept(side.format(expression), documents) for side in ("{}", "not ({})", "({}) is null")]
        assert sorted(row for side in sides for row in side) == list(range(ROWS)), expression


FUNCTIONS = (
    "year(n)", "quarter(s)", "second(m)", "round(n, m)", "round(x)", "floor(x)", "ceil(n)", "abs(n)", "n % m", "n / m",
    "-n", "substr(s, n, m)", "substr(n, 1)", "trim(s, t)", "concat(n, s, x)", "lower(n)", "length(s)", "n * m", "n - m",
    "cast(s as bigint)", "cast(n as double)", "cast(x as varchar)", "cast(t as boolean)", "s[0]", "s.a", "s like t",
    "nullif(n, s)", "coalesce(n, s)", "extract(hour from s)", "n in (s, m, 1)", "n between s and m",
    "case n when m then s end",
)  # fmt: skip


@pytest.mark.parametrize("call", FUNCTIONS)
def test_no_function_fails_on_any_value(call: str) -> None:
    chance = random.Random(call)
    documents = [{name: chance.choice(JUNK) for name in (*NUMBERS, *STRINGS)} for _ in range(500)]
    absent = kept(f"({call}) is null", documents)
    assert sorted(absent + kept(f"({call}) is not null", documents)) == list(range(500))


@pytest.mark.parametrize("seed", range(40))
def test_conditions_keep_what_sqlite_keeps(seed: int) -> None:
    chance = random.Random(seed)
    writer = Writer(chance)
    documents = some_rows(chance)
    for _ in range(CONDITIONS):
        expression = writer.condition(chance.randrange(1, 5))
        assert kept(expression, documents) == kept_by_sqlite(expression, documents), expression
