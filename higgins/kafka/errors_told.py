"""Errors told: which error codes a response carries, at any depth, for whoever counts them. Looks at no version."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias

from higgins_protocol.schema import ArrayOf, Message, fields_of

Tell: TypeAlias = Callable[[int], None]
Look: TypeAlias = Callable[[Iterable[Any], Tell], None]

ERROR_CODE = "error_code"


def tell_errors(response: Message, tell: Tell) -> None:
    """Call `tell` with every error code in the response that is not 0."""
    look = _look_into(type(response))
    if look is not None:
        look((response,), tell)


@cache
def _look_into(kind: type[Message]) -> Look | None:
    """What looks into messages of one kind; None for those that can carry no code. Made once for each kind."""
    has_code = False
    deeper: list[tuple[str, Look]] = []
    for field in fields_of(kind):
        element = field.shape.element if isinstance(field.shape, ArrayOf) else None
        if field.name == ERROR_CODE:
            has_code = True
        elif isinstance(element, type) and issubclass(element, Message):
            look = _look_into(element)
            if look is not None:
                deeper.append((field.name, look))
    if not deeper:
        return _codes if has_code else None
    return _with_deeper(deeper, has_code=has_code)


def _codes(messages: Iterable[Any], tell: Tell) -> None:
    for message in messages:
        if message.error_code:
            tell(message.error_code)


def _with_deeper(deeper: list[tuple[str, Look]], *, has_code: bool) -> Look:
    def look(messages: Iterable[Any], tell: Tell) -> None:
        for message in messages:
            if has_code and message.error_code:
                tell(message.error_code)
            for name, look_on in deeper:
                rows = getattr(message, name)
                if rows:
                    look_on(rows, tell)

    return look
