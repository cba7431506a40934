"""The table of the APIs that have codecs, collected from the modules in `messages`.

Each of those modules declares its API in a row of its own, `API = Api(key=..., ...)`, next to its messages. A new API
is therefore one new module and no other line in this package. The ApiVersions response is derived from the table, so
that nothing is advertised that cannot be decoded.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType

from higgins_protocol import messages
from higgins_protocol.api import NEVER, Api

__all__ = ["APIS", "NEVER", "Api", "api_versions_entries"]


def _declared_apis() -> dict[str, Api]:
    """The rows of all modules in `messages`, by the name of the module."""
    names = [module.name for module in pkgutil.iter_modules(messages.__path__)]
    return {name: import_module(f"{messages.__name__}.{name}").API for name in names}


def _by_key(apis: Iterable[Api]) -> dict[int, Api]:
    by_key: dict[int, Api] = {}
    for api in sorted(apis, key=lambda api: api.key):
        if api.key in by_key:
            raise ValueError(f"{by_key[api.key].name} and {api.name} both declare the api key {api.key}.")
        by_key[api.key] = api
    return by_key


_DECLARED = _declared_apis()

APIS: Mapping[int, Api] = MappingProxyType(_by_key(_DECLARED.values()))
"""Every API by its key, in ascending order."""


def __getattr__(name: str) -> int:
    """The key of an API as a constant, named after its module: `from higgins_protocol.apis import LIST_OFFSETS`."""
    api = _DECLARED.get(name.lower()) if name.isupper() else None
    if api is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return api.key


def api_versions_entries() -> list[tuple[int, int, int]]:
    """(api key, lowest, highest version) of all that is advertised, in ascending order."""
    return [(api.key, *api.advertised) for api in APIS.values() if api.advertised]
