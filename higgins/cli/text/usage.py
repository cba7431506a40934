"""Mistakes in arguments as sentences of ours. cyclopts has its own words for them, such as "Unused Tokens"."""

import typing

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownOptionError,
)
from cyclopts.exceptions import RepeatArgumentError, UnknownCommandError, UnusedCliTokensError

from higgins.model.suggest import did_you_mean

_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def usage_error(error: CycloptsError) -> str:
    """What is wrong with the arguments, and where to read more."""
    command = " ".join(["higgins", *(error.command_chain or ())])
    return f"{_sentence(error)}\nSee: {command} --help"


def _sentence(error: CycloptsError) -> str:
    match error:
        case UnknownOptionError():
            name = error.token.keyword or error.token.value
            known = [one for argument in error.argument_collection for one in argument.names]
            return _with_suggestion(f"There is no option '{name}'.", name, known)
        case UnknownCommandError():
            name = (error.unused_tokens or [""])[0]
            known = [one for one in error.app or () if not one.startswith("-")]
            return _with_suggestion(f"There is no command '{name}'.", name, known)
        case UnusedCliTokensError():
            unused = ", ".join(f"'{one}'" for one in error.unused_tokens or ())
            return f"Too many arguments: {unused} cannot be used here."
        case RepeatArgumentError():
            return f"{error.token.keyword or _name(error)} is given twice."
        case CoercionError():
            return _wrong_value(error)
        case MissingArgumentError():
            return _missing(error)
    return " ".join(str(error).split())


def _wrong_value(error: CoercionError) -> str:
    token = error.token
    name, value = (token.keyword if token is not None else None) or _name(error), token.value if token else ""
    choices = typing.get_args(error.argument.hint) if error.argument is not None else ()
    if choices and all(isinstance(one, str) for one in choices):
        return f"{name} {value}: give {', '.join(choices[:-1])} or {choices[-1]}."
    kind = _KINDS.get(typing.cast(type, error.target_type), "a valid value")
    return f"{name} {value}: give {kind}."


def _missing(error: MissingArgumentError) -> str:
    name = error.keyword or _name(error)
    if error.keyword is not None:
        return f"{name} needs a value."
    is_positional = error.argument is not None and error.argument.index is not None
    return f"{name.removeprefix('--').upper()} is missing." if is_positional else f"{name} is missing."


def _name(error: CycloptsError) -> str:
    return error.argument.name if error.argument is not None else "An argument"


def _with_suggestion(sentence: str, name: str, known: list[str]) -> str:
    suggestion = did_you_mean(name, known)
    return f"{sentence} {suggestion}" if suggestion else sentence
