"""Text to nodes: a parser of SQL's scalar expressions, by precedence.

Behaviour: the grammar and the precedence are PostgreSQL's, from loose to tight:

    or | and | not | is | = <> < <= > >= | between, in, like | "||" | + - | * / % | sign | :: | [] and .

A comparison cannot follow a comparison without brackets (`a < b < c`), nor `between`, `in` or `like` one another, also
as in PostgreSQL. `not` and a sign may begin any operand, and reach as far as their own precedence lets them. Tests
compare it with PostgreSQL's parser.

Why it is written by hand: a general SQL parser accepts far more than is evaluated here, binds `is` and comparisons
otherwise, joins texts that stand side by side, and loses the places of words, which messages need.

Bounds: DEPTH_MAX levels and NODES_MAX terms, checked while parsing; the parser itself recurses once for each level.
Refused by name and with line and column: syntax that SQL has and that is not evaluated here.
"""

from collections.abc import Callable
from typing import Any, cast

from higgins.model.suggest import did_you_mean
from higgins.operators.expression import nodes
from higgins.operators.expression.functions import ARITY
from higgins.operators.expression.nodes import ExpressionError, Node
from higgins.operators.expression.reader import (
    CASTS,
    DEPTH_MAX,
    FIELDS_TOO,
    NOT_HERE,
    RESERVED,
    SYNONYMS,
    UNREADABLE,
    Part,
    Reader,
)
from higgins.operators.expression.times import DATE_PARTS
from higgins.operators.expression.tokens import Token, shown, tokenize

OR, AND, NOT, IS, COMPARISON, RANGE, JOIN, SUM, PRODUCT, SIGN, CAST = range(1, 12)
"""Precedences of infix operators and of the two prefix operators, from loose to tight."""

_COMPARISONS: dict[str, nodes.ComparisonSign] = {
    "=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip
_ARITHMETIC: dict[str, int] = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "%": PRODUCT}


def parse(text: str) -> Node:
    """The tree of an expression. Raises: ExpressionError."""
    tokens = tokenize(text)
    if len(tokens) == 1:
        raise ExpressionError("The expression is empty. Write a condition, for example: qty > 5")
    parser = Parser(text, tokens)
    part = parser.expression()
    parser.end()
    return part.node


class Parser(Reader):
    """Reads the tokens of one expression from left to right."""

    # Precedence.

    def expression(self, tightness: int = OR, *, is_bound: bool = False) -> Part:
        """An expression whose operators bind at least as tightly as that.

        `is_bound`: the lower bound of `between`, which ends at its `and`. It has no words as operators.
        """
        self._nesting += 1
        if self._nesting > DEPTH_MAX:
            raise self._too_deep(self._next.start)
        left, last = self._prefix(is_bound=is_bound), 0
        while (found := self._infix(is_bound=is_bound)) >= tightness:
            if found == last and found in {COMPARISON, RANGE}:
                raise self._unexpected("it follows another of its kind. Use brackets to say which comes first")
            left, last = self._operation(left, found), found
        self._nesting -= 1
        return left

    def _infix(self, *, is_bound: bool) -> int:
        """The precedence of the next token as an infix or postfix operator; 0 if it is none."""
        token = self._next
        if token.kind == "sign":
            if token.text in _COMPARISONS:
                return COMPARISON
            return {"||": JOIN, "::": CAST}.get(token.text) or _ARITHMETIC.get(token.text, 0)
        if is_bound:
            return 0
        word = token.word
        if word == "not":
            # After an operand it belongs to the range operator behind it, and binds as that does.
            return RANGE if self._tokens[self._position + 1].word in {"between", "in", "like"} else 0
        return {
            "or": OR, "and": AND, "is": IS, "isnull": IS, "notnull": IS, "between": RANGE, "in": RANGE, "like": RANGE,
        }.get(word, 0)  # fmt: skip

    def _prefix(self, *, is_bound: bool) -> Part:
        token = self._next
        if token.word == "not" and not is_bound:
            self._take()
            operand = self.expression(NOT)
            return self._made(nodes.Not(operand.node), token.start, operand)
        if token.is_sign("-", "+"):
            self._take()
            number = self._next
            if number.kind == "number" and not self._tokens[self._position + 1].is_sign("::", "["):
                self._take()
                return self._made(nodes.Literal(self._number(number, -1 if token.text == "-" else 1)), token.start)
            operand = self.expression(SIGN, is_bound=is_bound)
            if token.text == "+":
                return operand
            return self._made(nodes.Negative(operand.node), token.start, operand)
        part = self._primary()
        if self._next.is_sign("["):
            raise self._error(part.start, "Only fields of the value have fields and elements themselves.")
        return part

    def _operation(self, left: Part, precedence: int) -> Part:
        match precedence:
            case 1 | 2:
                return self._logic(left, precedence)
            case 4:
                return self._is(left)
            case 5:
                sign = _COMPARISONS[self._take().text]
                right = self.expression(RANGE)
                return self._made(nodes.Comparison(sign, left.node, right.node), left.start, left, right)
            case 6:
                return self._range(left)
            case 7:
                self._take()
                right = self.expression(SUM)
                return self._made(nodes.Call("concat", (left.node, right.node)), left.start, left, right)
            case 11:
                self._take()
                return self._cast_to(left, left.start)
            case _:
                arithmetic = cast(nodes.ArithmeticSign, self._take().text)
                right = self.expression(precedence + 1)
                return self._made(nodes.Arithmetic(arithmetic, left.node, right.node), left.start, left, right)

    def _logic(self, left: Part, precedence: int) -> Part:
        # A chain is one node, so that its length does not count towards the depth.
        word = self._next.word
        operands = [left]
        while self._take_word(word):
            operands.append(self.expression(precedence + 1))
        logic: Any = word
        return self._made(nodes.Logic(logic, tuple(each.node for each in operands)), left.start, *operands)

    def _is(self, left: Part) -> Part:
        word = self._take().word
        is_negated = word == "notnull" or (word == "is" and self._take_word("not") is not None)
        what: bool | None = None
        if word == "is":
            if self._take_word("distinct"):
                raise self._unsupported(left.start, "'is distinct from'")
            found = self._take_word("null", "true", "false", "unknown")
            if found is None:
                if self._next.kind == "end":
                    raise self._unexpected("")
                raise self._error(left.start, "'is' must be followed by null, true or false. Use = to compare values.")
            what = {"true": True, "false": False}.get(found.word)
        part = self._made(nodes.Is(left.node, what), left.start, left)
        return self._made(nodes.Not(part.node), left.start, part) if is_negated else part

    def _range(self, left: Part) -> Part:
        is_negated = self._take_word("not") is not None
        word = self._take().word
        if word == "between":
            part = self._between(left)
        elif word == "in":
            part = self._in(left)
        else:
            part = self._like(left)
        return self._made(nodes.Not(part.node), left.start, part) if is_negated else part

    def _between(self, left: Part) -> Part:
        if self._next.word in {"symmetric", "asymmetric"}:
            raise self._unsupported(left.start, f"'between {self._next.word}'")
        low = self.expression(COMPARISON, is_bound=True)
        self._expect_word("and")
        high = self.expression(JOIN)
        return self._made(nodes.Between(left.node, low.node, high.node), left.start, left, low, high)

    def _in(self, left: Part) -> Part:
        self._expect("(")
        if self._next.word == "select":
            raise self._unsupported(left.start, "A query after 'in'")
        if self._next.is_sign(")"):
            raise self._error(left.start, "The list after 'in' is empty. Name at least one value.")
        options = self._list()
        return self._made(nodes.In(left.node, tuple(each.node for each in options)), left.start, left, *options)

    def _like(self, left: Part) -> Part:
        pattern = self.expression(JOIN)
        escape = ""
        if self._take_word("escape"):
            character = self._take()
            if character.kind != "text" or len(character.value) != 1:
                raise self._error(
                    left.start, "'escape' must follow a like and name one character: like '5!%' escape '!'"
                )
            escape = character.value
        return self._made(nodes.Like(left.node, pattern.node, escape), left.start, left, pattern)

    def _list(self) -> list[Part]:
        """Expressions with commas between them, up to the closing bracket, which is read too."""
        parts = [self.expression()]
        while self._take_sign(","):
            parts.append(self.expression())
        self._expect(")")
        return parts

    # Operands.

    def _primary(self) -> Part:
        token = self._next
        match token.kind:
            case "text":
                self._take()
                return self._made(nodes.Literal(token.value), token.start)
            case "number":
                self._take()
                return self._made(nodes.Literal(self._number(token)), token.start)
            case "quoted":
                return self._path()
            case "sign" if token.text == "(":
                self._take()
                inner = self.expression()
                self._expect(")")
                return self._checked(inner._replace(start=token.start, depth=inner.depth + 1))
            case "name":
                return self._named()
            case _:
                raise self._unexpected("")

    def _named(self) -> Part:
        token = self._next
        if token.word in {"null", "true", "false"}:
            self._take()
            return self._made(nodes.Literal({"true": True, "false": False}.get(token.word)), token.start)
        if token.word == "case":
            return self._case()
        following = self._tokens[self._position + 1]
        if following.is_sign("(") and token.word not in RESERVED:
            return self._function()
        if following.kind == "text":
            raise self._unsupported(token.start, f"{shown(token.text)} before a text")
        # `end` and other fields with such names can be told apart where an operator follows.
        if token.word in RESERVED and not (token.word in FIELDS_TOO and following.is_sign(*_COMPARISONS, ".", "[")):
            raise self._unexpected("")
        return self._path()

    def _cast_to(self, part: Part, start: int) -> Part:
        name = self._take()
        if name.kind != "name":
            self._position -= 1
            raise self._unexpected("expecting a type")
        words = name.word
        while f"{words} {self._next.word}" in CASTS:
            words += f" {self._take().word}"
        to = CASTS.get(words)
        if to is None or self._next.is_sign("(", "["):
            more = "(…)" if self._next.is_sign("(") else "[]" if self._next.is_sign("[") else ""
            raise self._error(
                start,
                f"cast to {words.upper()}{more} is not supported. Cast to bigint, double, varchar or boolean.",
            )
        return self._made(nodes.Cast(part.node, to), start, part)

    # Paths.

    def _path(self) -> Part:
        token = self._take()
        if token.kind == "name" and token.text.startswith("$"):
            return self._property(token)
        path: list[str | int] = [token.value if token.kind == "quoted" else token.text]
        if not UNREADABLE.isdisjoint(str(path[0])):
            raise self._error(
                token.start, "A field cannot be read if its name has a quote, a backslash or a control character."
            )
        while self._next.is_sign(".", "["):
            if len(path) > DEPTH_MAX:
                raise self._too_deep(token.start)
            path.append(self._step(token))
        return self._made(nodes.Field(tuple(path)), token.start)

    def _step(self, first: Token) -> str | int:
        if self._take_sign("."):
            token = self._take()
            if token.kind == "quoted":
                return token.value
            if token.kind == "name" and not token.text.startswith("$"):
                return token.text
            self._position -= 1
            raise self._unexpected("a field's name must follow the dot")
        step = self._bracket(first)
        if not isinstance(step, int | str):
            raise self._error(first.start, "An element is selected by a whole number from 0 on: tags[0]")
        return step

    def _bracket(self, first: Token) -> int | float | str:
        self._expect("[")
        token = self._take()
        if token.kind not in {"number", "text"} or not self._take_sign("]"):
            if token.kind == "end" or self._next.kind == "end":
                self._position = len(self._tokens) - 1
                raise self._unexpected("expecting ]")
            raise self._error(
                first.start, "Square brackets must hold one number from 0 on, or one name in single quotes."
            )
        return token.value if token.kind == "text" else self._number(token)

    def _property(self, token: Token) -> Part:
        name = token.text
        if name == "$headers":
            header = self._bracket(token) if self._next.is_sign("[") else None
            if header is None:
                raise self._error(token.start, "Headers are selected by name. Write: $headers['name']")
            if not isinstance(header, str):
                raise self._error(token.start, "A header is selected by its name: $headers['name']")
            if self._next.is_sign(".", "["):
                raise self._error(token.start, "A header has no fields. Use it as it is: $headers['name']")
            return self._made(nodes.HeaderOf(header), token.start)
        if name not in ("$key", "$timestamp", "$partition", "$offset"):
            raise self._error(
                token.start,
                f"There is no {name}. A record has $key, $timestamp, $partition, $offset and $headers['name'].",
            )
        if self._next.is_sign(".", "["):
            raise self._error(token.start, f"{name} has no fields. Use it as it is: {name}")
        return self._made(nodes.Meta(cast(nodes.MetaName, name[1:])), token.start)

    # Case and functions.

    def _case(self) -> Part:
        token = self._take()
        subject = None if self._next.word == "when" else self.expression()
        parts = [subject] if subject is not None else []
        branches: list[tuple[Node, Node]] = []
        while self._take_word("when"):
            when = self.expression()
            self._expect_word("then")
            then = self.expression()
            parts += [when, then]
            branches.append((when.node, then.node))
        if not branches:
            raise self._unexpected("expecting when")
        default = self.expression() if self._take_word("else") else None
        self._expect_word("end")
        if default is not None:
            parts.append(default)
        node = nodes.Case(subject.node if subject else None, tuple(branches), default.node if default else None)
        return self._made(node, token.start, *parts)

    def _function(self) -> Part:
        token = self._take()
        self._expect("(")
        special = _SPECIAL.get(token.word)
        if special is not None:
            return special(self, token)
        name = SYNONYMS.get(token.word, token.word)
        if name not in ARITY:
            if name in NOT_HERE:
                raise self._unsupported(token.start, f"The function {name}")
            hint = did_you_mean(name, ARITY, otherwise=f"The functions are: {', '.join(sorted(ARITY))}.")
            raise self._error(token.start, f"There is no function {shown(name)[1:-1]}. {hint}")
        arguments = [] if self._take_sign(")") else self._list()
        return self._call(token, name, arguments)

    def _call(self, token: Token, name: str, arguments: list[Part]) -> Part:
        least, most = ARITY[name]
        if not least <= len(arguments) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise self._error(token.start, f"{name} takes {count} arguments, and there are {len(arguments)}.")
        if self._next.word in {"over", "within"}:
            raise self._unsupported(token.start, shown(self._next.text))
        return self._made(nodes.Call(name, tuple(each.node for each in arguments)), token.start, *arguments)

    def _cast(self, token: Token) -> Part:
        operand = self.expression()
        self._expect_word("as")
        part = self._cast_to(operand, operand.start)
        self._expect(")")
        return part

    def _extract(self, token: Token) -> Part:
        part = self._take()
        self._expect_word("from")
        return self._date_part(token, (part.value or part.text).lower(), part.start, "extract", [self.expression()])

    def _date_part_of(self, token: Token) -> Part:
        arguments = self._list()
        name = arguments[0].node
        if len(arguments) != 2 or not isinstance(name, nodes.Literal) or not isinstance(name.value, str):
            raise self._error(token.start, "date_part takes the name of a part and a time: date_part('hour', at)")
        self._position -= 1
        return self._date_part(token, name.value.lower(), token.start, "date_part", arguments[1:])

    def _date_part(self, token: Token, name: str, start: int, function: str, arguments: list[Part]) -> Part:
        if name not in DATE_PARTS:
            raise self._error(
                start, f"{function} has no date part {shown(name)[1:-1]}. Date parts are: {', '.join(DATE_PARTS)}."
            )
        self._expect(")")
        return self._call(token, name, arguments)

    def _substring(self, token: Token) -> Part:
        arguments = [self.expression()]
        is_worded = False
        for word in ("from", "for"):
            if self._take_word(word):
                is_worded = True
                arguments.append(self.expression())
        if is_worded:
            self._expect(")")
        elif self._take_sign(","):
            arguments += self._list()
        else:
            self._expect(")")
        return self._call(token, "substr", arguments)

    def _trim(self, token: Token) -> Part:
        side = self._take_word("both", "leading", "trailing")
        name = {"leading": "ltrim", "trailing": "rtrim"}.get(side.word, "trim") if side else "trim"
        first = None if self._next.word == "from" else self.expression()
        if self._take_word("from"):
            text = self.expression()
            self._expect(")")
            return self._call(token, name, [text] if first is None else [text, first])
        if first is None:
            raise self._unexpected("")
        if self._take_sign(","):
            return self._call(token, name, [first, *self._list()])
        self._expect(")")
        return self._call(token, name, [first])


_SPECIAL: dict[str, Callable[[Parser, Token], Part]] = {
    "cast": Parser._cast,
    "extract": Parser._extract,
    "date_part": Parser._date_part_of,
    "substring": Parser._substring,
    "substr": Parser._substring,
    "trim": Parser._trim,
}
"""Functions whose arguments SQL writes with words between them."""
