"""The story of a schema registry that keeps its schemas in a topic; told with each registry that has a folder here.

Standard library only. A registry is a command and an environment; it is asked in the HTTP that all of them speak.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from telling import same

START_S = 60.0
CALL_S = 20.0
TYPE = "application/vnd.schemaregistry.v1+json"
ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
WITH_DEFAULT = {**ORDER, "fields": [*ORDER["fields"], {"name": "qty", "type": "int", "default": 1}]}
WITHOUT_DEFAULT = {**ORDER, "fields": [*ORDER["fields"], {"name": "price", "type": "int"}]}
PARCEL = {**ORDER, "name": "Parcel"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


class Registry:
    """A registry that runs, by the base of its addresses."""

    def __init__(self, base: str) -> None:
        self._base = base

    def ask(self, method: str, path: str, document: object = None) -> tuple[int, Any]:
        """Status and answer; a registry that cannot be reached answers 0."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(self._base + path, body, {"Content-Type": TYPE}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=CALL_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()
        except OSError as error:
            return 0, str(error)

    def register(self, subject: str, schema: Mapping[str, object]) -> tuple[int, Any]:
        return self.ask("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(schema)})

    def until(self, method: str, path: str, document: object = None) -> Any:
        """The answer, once there is a good one: registries elect a leader and read their topic first."""
        deadline = time.monotonic() + START_S
        while (answer := self.ask(method, path, document))[0] != 200:
            assert time.monotonic() < deadline, f"{method} {path}: {answer} after {START_S:.0f} s"
            time.sleep(0.2)
        return answer[1]


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], base: str) -> Iterator[Registry]:
    """A registry for as long as the block lasts; what it has said is shown if the block fails."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=said)
        try:
            yield Registry(base)
        except BaseException:
            said.seek(0)
            print(said.read()[-6_000:], file=sys.stderr)
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(CALL_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def remembers(command: Sequence[str], environment: Mapping[str, str], base: str) -> None:
    """Schemas are registered and judged; a second process, with nothing but the topic, knows them and goes on."""
    with running(command, environment, base) as registry:
        registry.until("GET", "/subjects")
        first = registry.until("POST", "/subjects/orders/versions", {"schema": json.dumps(ORDER)})["id"]
        same(json.loads(registry.until("GET", f"/schemas/ids/{first}")["schema"]), ORDER, "the schema by its id")
        status, _ = registry.ask("PUT", "/config/orders", {"compatibility": "BACKWARD"})
        same(status, 200, "setting the compatibility")
        second = registry.until("POST", "/subjects/orders/versions", {"schema": json.dumps(WITH_DEFAULT)})["id"]
        same(registry.register("orders", WITHOUT_DEFAULT)[0], 409, "a schema that cannot read what is there")
    with running(command, environment, base) as registry:
        same(registry.until("GET", "/subjects"), ["orders"], "subjects, after a restart")
        same(registry.until("GET", "/subjects/orders/versions"), [1, 2], "versions, after a restart")
        found = registry.until("GET", "/subjects/orders/versions/latest")
        same((found["id"], json.loads(found["schema"])), (second, WITH_DEFAULT), "the newest, after a restart")
        third = registry.until(
            "POST", "/subjects/parcels/versions", {"schema": json.dumps({**ORDER, "name": "Parcel"})}
        )
        assert third["id"] not in {first, second}, f"a new schema has an id that is taken: {third}"
