"""The adapter to an older kafka-clients: the one next door, with other jars in its class path."""

import importlib.util
from pathlib import Path

# tell.py puts no client's folder on the path, so that two adapters of the same name cannot be mistaken for each other.
_spec = importlib.util.spec_from_file_location("java_client", Path(__file__).parents[1] / "java" / "client.py")
assert _spec is not None and _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
open_client = _module.open_client
