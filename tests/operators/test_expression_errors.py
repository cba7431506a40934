"""What is refused in expressions: by name, with line and column, and with what to write instead."""

from collections.abc import Callable

import pytest

from higgins.operators.expression.compile import compile_condition
from higgins.operators.expression.generate import condition_program
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.expression.parse import parse
from higgins.operators.expression.reader import DEPTH_MAX, NODES_MAX
from higgins.operators.expression.tokens import TEXT_CHARACTERS_MAX


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
        ("qty = 'abc", 1, 7, "quotes"),
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
        ("(select 1) = 1", 1, 2, "subquery is not supported"),
        ("select 1", 1, 1, "not supported"),
        ("count(*) > 1", 1, 1, "function count is not supported"),
        ("sum(a) over (partition by b) > 1", 1, 1, "not supported"),
        ("a like any ('x')", 1, 8, "not supported"),
        ("a ilike 'x'", 1, 3, "not supported"),
        ("a like 'x!' escape '!'", 1, 1, "escape"),
        ("a like 'x' escape 'ab'", 1, 1, "one character"),
        ("a & 1 = 1", 1, 3, "not supported"),
        ("a -> 'b' = 1", 1, 3, "not supported"),
        ("interval '1' day = a", 1, 1, "not supported"),
        ("extract(moon from a) = 1", 1, 9, "Date parts are: year"),
        ("date_part('moon', a) = 1", 1, 1, "Date parts are: year"),
        ("substr(a) = 'x'", 1, 1, "substr takes 2 to 3 arguments"),
        ("round(a, 1, 1) = 1", 1, 1, "round takes 1 to 2 arguments"),
        ("a as b", 1, 3, "not supported"),
        ("a = 1; drop table x", 1, 6, "not supported"),
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


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("x > " + "9" * 5_000, 5, "5000 digits; at most 400"),
        ("x > 1." + "9" * 5_000, 5, "digits"),
        ("x = 5abc", 5, "cannot begin with a digit"),
        ("order id > 5", 7, "Write a name with spaces or dashes in double quotes"),
        ("then = 5", 1, 'a field of that name in double quotes: "then"'),
        ("x = ‘NL’", 5, "straight single quotes"),  # noqa: RUF001
        ("x = 1 /* and", 7, "comment that begins here has no end"),
        ('x = "ab', 5, "Check quotes"),
        ('"" = 5', 1, "empty"),
        ("a = b = c", 7, "Use brackets"),
        ("a < b < c", 7, "Use brackets"),
        ("a like 'x' like 'y'", 12, "Use brackets"),
        ("a in (1) in (2)", 10, "Use brackets"),
        ("a between 1 and 2 between 3 and 4", 19, "Use brackets"),
        ("lower(a)[0] = 'x'", 1, "Only fields of the value"),
        ("(a)[0] = 'x'", 1, "Only fields of the value"),
        ("a. = 5", 4, "name must follow the dot"),
        ("a[0 = 5", 1, "Square brackets"),
        ("a[", 2, "expecting ]"),
        ("case when a then b = 1", 22, "expecting end"),
        ("cast(a)", 7, "expecting as"),
        ("cast(a as 5)", 11, "expecting a type"),
        ("a::integer[] = 1", 1, "INTEGER[] is not supported"),
        ("count() > 1", 1, "function count is not supported"),
        ("if(a, b, c)", 1, "function if is not supported"),
        ("a is distinct from b", 1, "'is distinct from' is not supported"),
        (")", 1, "Syntax error at ')'"),
        ("a = 1)", 6, "Syntax error at ')'"),
        ("a ? b", 3, "'?' is not supported"),
        ("a = \x00", 5, "not supported"),
    ],
)
def test_what_cannot_stand_there_is_named_with_its_column(text: str, column: int, words: str) -> None:
    found = error_of(text)
    assert words in found.message, found
    assert (found.line, found.column) == (1, column)


@pytest.mark.parametrize("name", ["end", "order", "user", "date", "key", "value", "at", "interval", "array", "escape"])
def test_a_keyword_that_cannot_be_misread_is_a_field(name: str) -> None:
    compile_condition(f"{name} = 5 and a = {name} + 1" if name != "end" else "end = 5")


@pytest.mark.parametrize(
    ("longer", "names"),
    [
        ("lcase(a) = 'x'", "lower(a) = 'x'"),
        ("char_length(a) = 1", "length(a) = 1"),
        ("ceiling(a) = 1", "ceil(a) = 1"),
        ("ifnull(a, 1) = 1", "coalesce(a, 1) = 1"),
        ("a == 1", "a = 1"),
        ("a != 1", "a <> 1"),
        ("cast(a as double precision) > 1", "a::float8 > 1"),
        ("cast(a as text) = 'x'", "a::varchar = 'x'"),
        ("a isnull", "a is null"),
        ("a notnull", "a is not null"),
        ("+a > +1", "a > 1"),
        ("a = 1_000", "a = 1000"),
        ("a = 1 -- the rest\n", "a = 1"),
        ("/* all */ a = 1", "a = 1"),
        ("\ufeffa = 1", "a = 1"),
        ("trim(both 'x' from a) = ''", "trim(a, 'x') = ''"),
        ("trim(leading from a) = ''", "ltrim(a) = ''"),
        ("substring(a from 2 for 3) = ''", "substr(a, 2, 3) = ''"),
    ],
)
def test_the_same_in_other_words(longer: str, names: str) -> None:
    assert parse(longer) == parse(names)
