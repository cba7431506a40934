"""What expressions refuse: by name, with line and column, and with what to write instead."""

from collections.abc import Callable

import pytest

from higgins.operators.expression.compile import compile_condition
from higgins.operators.expression.generate import condition_program
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.expression.parse import DEPTH_MAX, NODES_MAX, TEXT_CHARACTERS_MAX, parse


def fault(text: str, *, fields_allowed: bool = True) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text, fields_allowed=fields_allowed)
    assert str(caught.value).startswith(f"line {caught.value.line}, column {caught.value.column}: ")
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("qty >", 1, 5, "something is missing"),
        ("qty = 5 5", 1, 9, "'5'"),
        ("qty >\n (5", 2, 3, "expecting )"),
        ("qty = 'abc", 1, 1, "quotes"),
        ("", 1, 1, "empty"),
        ("  \n", 1, 1, "empty"),
        ("a = 1 and\n  lowre(b) = 'x'", 2, 3, "no function lowre. Did you mean 'lower'?"),
        ("zzz(a)", 1, 1, "no function zzz. The functions are: abs"),
        ("a = 1 and $colour = 2", 1, 11, "no $colour"),
        ("$headers = 'x'", 1, 1, "$headers['name']"),
        ("$headers.x = 'x'", 1, 1, "$headers['name']"),
        ("$headers[0] = 'x'", 1, 1, "name"),
        ("$key.x = 1", 1, 1, "$key has no fields"),
        ("a[-1] = 1", 1, 1, "number from 0"),
        ("a[1:2] = 1", 1, 1, "one number"),
        ("a[1.5] = 1", 1, 1, "whole number"),
        ("99999999999999999999 = a", 1, 1, "64 bits"),
        ("1e999 = a", 1, 1, "too large"),
        ("cast(a as date) = 1", 1, 6, "cast to DATE is not served"),
        ("cast(a as decimal(3, 2)) = 1", 1, 6, "not served"),
        ("a is 5", 1, 1, "After 'is'"),
        ("a in ()", 1, 1, "list after 'in' is empty"),
        ("a in (select b from c)", 1, 1, "query"),
        ("(select 1) = 1", 1, 9, "subquery is not served"),
        ("select 1", 1, 8, "not served"),
        ("count(*) > 1", 1, 1, "function count is not served"),
        ("sum(a) over (partition by b) > 1", 1, 1, "not served"),
        ("a like any ('x')", 1, 13, "not served"),
        ("a ilike 'x'", 1, 1, "not served"),
        ("a like 'x!' escape '!'", 1, 1, "escape"),
        ("a like 'x' escape 'ab'", 1, 1, "one character"),
        ("a & 1 = 1", 1, 1, "not served"),
        ("a -> 'b' = 1", 1, 1, "not served"),
        ("interval '1' day = a", 1, 10, "not served"),
        ("extract(moon from a) = 1", 1, 19, "extract knows year"),
        ("date_part('moon', a) = 1", 1, 1, "date_part knows year"),
        ("substr(a) = 'x'", 1, 1, "substr takes 2 to 3 arguments"),
        ("round(a, 1, 1) = 1", 1, 1, "not served"),
        ("a as b", 1, 1, "not served"),
        ("a = 1; drop table x", 1, 1, "not served"),
        ("qty", None, None, None),
        ("5", 1, 1, "number stands where a condition must"),
        ("'x'", 1, 1, "string stands where a condition must"),
        ("qty + 1", 1, 1, "number stands where"),
        ("a and 5", 1, 1, "number stands where"),
        ("1 > 'a'", 1, 1, "compares a number with a string"),
        ("$key > 5", 1, 1, "compares a string with a number"),
        ("lower(a) between 1 and 2", 1, 1, "compares"),
        ("length(a) like 'x'", 1, 1, "compares"),
    ],
)
def test_a_fault_names_what_where_and_why(text: str, line: int | None, column: int | None, words: str | None) -> None:
    if words is None:
        compile_condition(text)
        return
    found = fault(text)
    assert words in found.message
    assert (found.line, found.column) == (line, column)


def test_length_size_and_depth_are_bounded() -> None:
    assert "characters" in fault("a = '" + "x" * TEXT_CHARACTERS_MAX + "'").message
    assert "too large" in fault(" or ".join(["a"] * (NODES_MAX + 1))).message
    assert "too deeply" in fault("(" * (DEPTH_MAX + 1) + "a" + ")" * (DEPTH_MAX + 1)).message
    assert "too deeply" in fault("not " * 2_000 + "a").message
    assert "too deeply" in fault("(" * 3_000 + "a" + ")" * 3_000).message
    assert "too deeply" in fault("a = " + "+".join(["1"] * 100)).message


@pytest.mark.parametrize(
    "nested",
    [
        lambda inner: f"not ({inner})",
        lambda inner: f"({inner}) is true",
        lambda inner: f"case when {inner} then true else false end",
        lambda inner: f"case a when {inner} then true else false end",
        lambda inner: f"({inner}) and a = 1",
        lambda inner: f"coalesce({inner}, true)",
        lambda inner: f"({inner}) between false and true",
        lambda inner: f"({inner}) in (true, false)",
    ],
)
def test_code_grows_with_the_expression_and_not_faster(nested: Callable[[str], str]) -> None:
    text = "a = 1"
    for _ in range(10):
        text = nested(text)
    compile_condition(text)
    assert len(condition_program(parse(text)).text) < 20 * len(text)


def test_streams_of_bytes_have_no_fields() -> None:
    assert "no field 'qty'" in fault("$key = 'x' and qty > 5", fields_allowed=False).message
    compile_condition("$key = 'x' and $headers['h'] is null", fields_allowed=False)
