"""The grammar of expressions against PostgreSQL's own parser: the same trees, and the same refusals."""

import json
import random
from typing import Any

import pytest

from higgins.operators.expression import nodes
from higgins.operators.expression.nodes import ExpressionError, Node
from higgins.operators.expression.parse import parse
from tests.operators.rows import kept

pglast = pytest.importorskip("pglast.parser", reason="PostgreSQL's parser is not installed")

EXPRESSIONS = 800
INFIX = (
    "or", "and", "=", "<>", "<", "<=", ">", ">=", "like", "not like", "between", "not between", "in", "not in", "||",
    "+", "-", "*", "/", "%",
)  # fmt: skip
POSTFIX = ("is null", "is not null", "is true", "is not true", "is false", "is not false", "is unknown", "isnull",
           "notnull", "::bigint", "::text")  # fmt: skip
PREFIX = ("not", "-", "not not")


def written(chance: random.Random, length: int) -> str:
    """Operands and operators in any order that looks like an expression, with few brackets."""
    words: list[str] = []
    for number in range(length):
        if chance.random() < 0.3:
            words.append(chance.choice(PREFIX))
        words.append(operand(chance))
        while chance.random() < 0.25:
            words.append(chance.choice(POSTFIX))
        if number == length - 1:
            break
        infix = chance.choice(INFIX)
        words.append(infix)
        if "between" in infix:
            words += [
                operand(chance),
                *([chance.choice("+<="), operand(chance)] if chance.random() < 0.3 else []),
                "and",
            ]
        elif "in" in infix.split():
            words[-1] += f" ({operand(chance)}, {operand(chance)})"
            words.append(chance.choice(("and", "or", "=", "is not null and")))
    return " ".join(words)


def operand(chance: random.Random) -> str:
    return chance.choice(("a", "b", "c", "d.e", "1", "2.5", "'x'", "true", "null", "(a)", "(b = c)", "f[1]",
                          "lower(a)", "case a when b then c end"))  # fmt: skip


def ours(text: str) -> Any:
    """The tree of our parser, or None where it refuses."""
    try:
        return simple(parse(text))
    except ExpressionError:
        return None


def simple(node: Node) -> Any:
    match node:
        case nodes.Literal():
            return ["literal", node.value]
        case nodes.Field():
            return ["field", *node.path]
        case nodes.Not():
            return ["not", simple(node.operand)]
        case nodes.Negative():
            return ["-", simple(node.operand)]
        case nodes.Arithmetic() | nodes.Comparison():
            return [node.sign, simple(node.left), simple(node.right)]
        case nodes.Logic():
            return flat(node.word, map(simple, node.operands))
        case nodes.Is():
            return ["is", node.what, simple(node.operand)]
        case nodes.Between():
            return ["between", simple(node.operand), simple(node.low), simple(node.high)]
        case nodes.In():
            return ["in", simple(node.operand), *map(simple, node.options)]
        case nodes.Like():
            return ["like", simple(node.operand), simple(node.pattern)]
        case nodes.Case():
            return ["case", node.subject and simple(node.subject), *([simple(a), simple(b)] for a, b in node.branches)]
        case nodes.Cast():
            return ["cast", node.to, simple(node.operand)]
        case nodes.Call():
            return ["||" if node.function == "concat" else node.function, *map(simple, node.arguments)]
    raise AssertionError(node)


def flat(word: str, operands: Any) -> Any:
    """A chain of `and` is one node; brackets around its parts make no difference."""
    found: list[Any] = [word]
    for each in operands:
        found += each[1:] if each[0] == word else [each]
    return found


def postgres(text: str) -> Any:
    """The tree of PostgreSQL's parser, or None where it refuses."""
    try:
        tree = json.loads(pglast.parse_sql_json(f"select ({text})"))
    except pglast.ParseError:
        return None
    return theirs(tree["stmts"][0]["stmt"]["SelectStmt"]["targetList"][0]["ResTarget"]["val"])


def theirs(tree: dict[str, Any]) -> Any:
    ((kind, it),) = tree.items()
    match kind:
        case "A_Const":
            if it.get("isnull"):
                return ["literal", None]
            if "boolval" in it:
                return ["literal", it["boolval"].get("boolval", False)]
            if "ival" in it:
                return ["literal", it["ival"].get("ival", 0)]
            return ["literal", float(it["fval"]["fval"]) if "fval" in it else it["sval"].get("sval", "")]
        case "ColumnRef":
            return ["field", *(part["String"]["sval"] for part in it["fields"])]
        case "A_Indirection":
            return [*theirs(it["arg"]), *(theirs(step["A_Indices"]["uidx"])[1] for step in it["indirection"])]
        case "BoolExpr":
            word = it["boolop"].removesuffix("_EXPR").lower()
            operands = list(map(theirs, it["args"]))
            return ["not", operands[0]] if word == "not" else flat(word, operands)
        case "NullTest":
            return negated(["is", None, theirs(it["arg"])], it["nulltesttype"] != "IS_NULL")
        case "BooleanTest":
            word = it["booltesttype"]
            what = None if word.endswith("UNKNOWN") else word.endswith("TRUE")
            return negated(["is", what, theirs(it["arg"])], "NOT" in word)
        case "TypeCast":
            return ["cast", {"int8": "bigint", "text": "varchar"}[it["typeName"]["names"][-1]["String"]["sval"]],
                    theirs(it["arg"])]  # fmt: skip
        case "FuncCall":
            return [it["funcname"][-1]["String"]["sval"], *map(theirs, it["args"])]
        case "CaseExpr":
            whens = [part["CaseWhen"] for part in it["args"]]
            return ["case", theirs(it["arg"]), *([theirs(each["expr"]), theirs(each["result"])] for each in whens)]
        case "A_Expr":
            return operation(it)
    raise AssertionError(tree)


def negated(tree: Any, is_negated: bool) -> Any:
    """`is not`, `not in` and the like are a `not` around the operator."""
    return ["not", tree] if is_negated else tree


def operation(it: dict[str, Any]) -> Any:
    kind, sign = it["kind"], it["name"][0]["String"]["sval"]
    if kind == "AEXPR_OP" and "lexpr" not in it:
        operand = theirs(it["rexpr"])
        is_number = operand[0] == "literal" and operand[1].__class__ in (int, float)
        return ["literal", -operand[1]] if is_number else ["-", operand]
    left = theirs(it["lexpr"])
    match kind:
        case "AEXPR_OP":
            return [sign, left, theirs(it["rexpr"])]
        case "AEXPR_LIKE":
            return negated(["like", left, theirs(it["rexpr"])], sign == "!~~")
        case "AEXPR_IN":
            return negated(["in", left, *map(theirs, it["rexpr"]["List"]["items"])], sign == "<>")
        case "AEXPR_BETWEEN" | "AEXPR_NOT_BETWEEN":
            return negated(["between", left, *map(theirs, it["rexpr"]["List"]["items"])], "NOT" in kind)
    raise AssertionError(it)


@pytest.mark.parametrize("seed", range(8))
def test_expressions_are_read_as_postgresql_reads_them(seed: int) -> None:
    chance = random.Random(seed)
    accepted = 0
    for _ in range(EXPRESSIONS):
        text = written(chance, chance.randrange(1, 6))
        expected = postgres(text)
        assert ours(text) == expected, text
        accepted += expected is not None
    assert accepted > EXPRESSIONS // 4


SPACES = (" ", "  ", "\t", "\n", " \n ", "\r\n", " -- why\n", " /* why */ ", "\n/* why */")
PLACES = (
    "a = {}", "{} = a", "a in ({})", "a in ('x', {}, 'y')", "a like {}", "a between {} and 'z'", "a between 'a' and {}",
    "lower({}) = a", "concat(a, {}) = a", "coalesce({}, a) = a", "case a when {} then true end",
    "case when a then {} else 'x' end = a", "({}) = a", "cast({} as text) = a", "a || {} = a", "a = 'x' and b = {}",
    "nullif(a, {}) = 'x'", "a is null or {} <> b",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("literals", [("'NL'", "'BE'"), ("''", "'x'"), ("'it''s'", "''"), ("'a'", "'b'", "'c'")])
def test_two_texts_side_by_side_are_refused_unless_a_line_break_parts_them(
    place: str, literals: tuple[str, ...]
) -> None:
    for space in SPACES:
        text = place.format(space.join(literals))
        is_joined = "\n" in space and "/*" not in space
        if is_joined:
            joined = "'" + "".join(each[1:-1] for each in literals) + "'"
            assert parse(text) == parse(place.format(joined)), text
        else:
            with pytest.raises(ExpressionError, match="two texts stand side by side") as caught:
                parse(text)
            start = place.index("{}") + len(literals[0]) + len(space)
            line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
            assert (caught.value.line, caught.value.column) == (line, column), text
        assert postgresql_accepts(text) == is_joined, text


def postgresql_accepts(text: str) -> bool:
    try:
        pglast.parse_sql_json(f"select ({text})")
    except pglast.ParseError:
        return False
    return True


def test_is_applies_to_the_comparison_before_it() -> None:
    rows = [{"a": 1}, {"a": 1, "b": 2}, {"a": True}, {"a": 2, "b": 2}]
    assert kept("a = b is null", rows) == [0, 2]
    assert kept("a < b is not null", rows) == [1, 3]
    assert kept("not a = b is null", rows) == [1, 3]
    assert kept("a < b is true", rows) == [1]
    assert kept("a < b is not true", rows) == [0, 2, 3]
