"""Counts the error codes that a response carries, at any depth, for the metrics. Independent of the version."""

from collections.abc import Callable, Generator, Iterable
from functools import cache
from typing import Any, TypeAlias

from higgins_protocol.schema import ArrayOf, Message, fields_of

Count: TypeAlias = Callable[[int], None]
"""Called with each error code other than 0."""
Visit: TypeAlias = Callable[[Iterable[Any], Count], None]
"""Visits messages of one type and counts the codes in them."""

ERROR_CODE = "error_code"
ROWS_PER_STEP = 16


def count_errors(response: Message, count: Count) -> None:
    """Call `count` with every error code in the response that is not 0."""
    visit = _visitor_of(type(response))
    if visit is not None:
        visit((response,), count)


def count_errors_in_steps(response: Message, count: Count) -> Generator[None, None, None]:
    """The same for a long response: a generator that pauses after each row of its arrays, or some of them."""
    if getattr(response, ERROR_CODE, 0):
        count(getattr(response, ERROR_CODE))
    for field in fields_of(type(response)):
        element = field.shape.element if isinstance(field.shape, ArrayOf) else None
        visit = _visitor_of(element) if isinstance(element, type) and issubclass(element, Message) else None
        if visit is None:
            continue
        rows = getattr(response, field.name) or ()
        for start in range(0, len(rows), ROWS_PER_STEP):
            visit(rows[start : start + ROWS_PER_STEP], count)
            yield


@cache
def _visitor_of(kind: type[Message]) -> Visit | None:
    """The visitor for one type of message; None for those that can carry no code. Made once for each type."""
    has_code = False
    nested: list[tuple[str, Visit]] = []
    for field in fields_of(kind):
        element = field.shape.element if isinstance(field.shape, ArrayOf) else None
        if field.name == ERROR_CODE:
            has_code = True
        elif isinstance(element, type) and issubclass(element, Message):
            visit = _visitor_of(element)
            if visit is not None:
                nested.append((field.name, visit))
    if not nested:
        return _visit_flat if has_code else None
    return _visitor_of_nested(nested, has_code=has_code)


def _visit_flat(messages: Iterable[Any], count: Count) -> None:
    for message in messages:
        if message.error_code:
            count(message.error_code)


def _visitor_of_nested(nested: list[tuple[str, Visit]], *, has_code: bool) -> Visit:
    def visit(messages: Iterable[Any], count: Count) -> None:
        for message in messages:
            if has_code and message.error_code:
                count(message.error_code)
            for name, visit_rows in nested:
                rows = getattr(message, name)
                if rows:
                    visit_rows(rows, count)

    return visit
