"""What is refused in expressions: by name, with line and column, and with what to write instead."""

from collections.abc import Callable

import pytest

from higgins.operators.expression.compile import compile_condition
from higgins.operators.expression.generate import condition_program
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.expression.parse import DEPTH_MAX, NODES_MAX, TEXT_CHARACTERS_MAX, parse


def error_of(text: str, *, fields_allowed: bool = True) -> ExpressionError:
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
        ("cast(a as date) = 1", 1, 6, "cast to DATE is not supported"),
        ("cast(a as decimal(3, 2)) = 1", 1, 6, "not supported"),
        ("a is 5", 1, 1, "must be followed by null"),
        ("a in ()", 1, 1, "list after 'in' is empty"),
        ("a in (select b from c)", 1, 1, "query"),
        ("(select 1) = 1", 1, 9, "subquery is not supported"),
        ("select 1", 1, 8, "not supported"),
        ("count(*) > 1", 1, 1, "function count is not supported"),
        ("sum(a) over (partition by b) > 1", 1, 1, "not supported"),
        ("a like any ('x')", 1, 13, "not supported"),
        ("a ilike 'x'", 1, 1, "not supported"),
        ("a like 'x!' escape '!'", 1, 1, "escape"),
        ("a like 'x' escape 'ab'", 1, 1, "one character"),
        ("a & 1 = 1", 1, 1, "not supported"),
        ("a -> 'b' = 1", 1, 1, "not supported"),
        ("interval '1' day = a", 1, 10, "not supported"),
        ("extract(moon from a) = 1", 1, 19, "Date parts are: year"),
        ("date_part('moon', a) = 1", 1, 1, "Date parts are: year"),
        ("substr(a) = 'x'", 1, 1, "substr takes 2 to 3 arguments"),
        ("round(a, 1, 1) = 1", 1, 1, "not supported"),
        ("a as b", 1, 1, "not supported"),
        ("a = 1; drop table x", 1, 1, "not supported"),
        ("qty", None, None, None),
        ("5", 1, 1, "number is used as a condition"),
        ("'x'", 1, 1, "string is used as a condition"),
        ("qty + 1", 1, 1, "number is used as a condition"),
        ("a and 5", 1, 1, "number is used as a condition"),
        ("1 > 'a'", 1, 1, "number is compared with a string"),
        ("$key > 5", 1, 1, "string is compared with a number"),
        ("lower(a) between 1 and 2", 1, 1, "is compared with"),
        ("length(a) like 'x'", 1, 1, "is compared with"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(
    text: str, line: int | None, column: int | None, words: str | None
) -> None:
    if words is None:
        compile_condition(text)
        return
    found = error_of(text)
    assert words in found.message
    assert (found.line, found.column) == (line, column)


def test_length_size_and_depth_are_bounded() -> None:
    assert "characters" in error_of("a = '" + "x" * TEXT_CHARACTERS_MAX + "'").message
    assert "too large" in error_of(" or ".join(["a"] * (NODES_MAX + 1))).message
    assert "too deeply" in error_of("(" * (DEPTH_MAX + 1) + "a" + ")" * (DEPTH_MAX + 1)).message
    assert "too deeply" in error_of("not " * 2_000 + "a").message
    assert "too deeply" in error_of("(" * 3_000 + "a" + ")" * 3_000).message
    assert "too deeply" in error_of("a = " + "+".join(["1"] * 100)).message


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
    assert "no field 'qty'" in error_of("$key = 'x' and qty > 5", fields_allowed=False).message
    compile_condition("$key = 'x' and $headers['h'] is null", fields_allowed=False)
