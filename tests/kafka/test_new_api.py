"""A new API is a message file, a handler file and one line: done literally, to a copy of the packages."""

import shutil
import subprocess
import sys
from pathlib import Path

import higgins
import higgins_protocol

MESSAGES = '''
"""CountTopics: v0-1. How many topics there are."""

from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since


class CountTopicsRequest(Message, frozen=True):
    prefix: String = ""


class CountTopicsResponse(Message, frozen=True):
    error_code: Int16 = 0
    count: Int32 = 0
    prefix: Annotated[String, since(1), ignorable] = ""


API = Api(key=900, request=CountTopicsRequest, response=CountTopicsResponse, versions=(0, 1), flexible_from=1)
'''

HANDLER = '''
"""CountTopics: v0-1.

Behaviour: counts the topics with a prefix.
Version notes: v1 flexible; it repeats the prefix.
Not done: nothing.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.messages.count_topics import CountTopicsRequest, CountTopicsResponse


def handle(call: Call, request: CountTopicsRequest) -> Future[CountTopicsResponse]:
    names = [name for name in call.node.state.topics.by_name if name.startswith(request.prefix)]
    return completed(CountTopicsResponse(count=len(names), prefix=request.prefix))


API = ApiRow(
    CountTopicsRequest,
    handle,
    reads=State.TOPICS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
'''

USE = '''
import socket

from higgins.testing import broker
from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.messages.count_topics import CountTopicsRequest
from higgins_protocol.registry import decode_response, encode_request

with broker() as running:
    for name in ("orders-a", "orders-b", "other"):
        running.create_topic(name)
    host, _, port = running.bootstrap_servers.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        def ask(key, version, request):
            connection.sendall(b"".join(encode_request(key, version, 7, "client", request)))
            stream = connection.makefile("rb")
            frame = stream.read(int.from_bytes(stream.read(4), "big"))
            return decode_response(key, version, memoryview(frame))[1]

        for version, prefix in ((0, ""), (1, "orders-")):
            answer = ask(900, version, CountTopicsRequest(prefix="orders-"))
            assert (answer.error_code, answer.count, answer.prefix) == (0, 2, prefix), answer
        served = {row.api_key: (row.min_version, row.max_version) for row in ask(18, 0, ApiVersionsRequest()).api_keys}
        assert served[900] == (0, 1), served
'''


def test_a_new_api_is_two_files_and_one_line(tmp_path: Path) -> None:
    for package in (higgins, higgins_protocol):
        source = Path(package.__path__[0])
        shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "higgins_protocol/messages/count_topics.py").write_text(MESSAGES)
    (tmp_path / "higgins/kafka/cluster/count_topics.py").write_text(HANDLER)
    table = tmp_path / "higgins/kafka/apis.py"
    line = '    "cluster.api_versions",\n'
    assert table.read_text().count(line) == 1
    table.write_text(table.read_text().replace(line, f'{line}    "cluster.count_topics",\n'))
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
