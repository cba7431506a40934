"""The health check: it is quick because of what it leaves alone, and its exit code tells the truth."""

import subprocess
import sys
from functools import partial

import trio

from higgins_protocol.messages.private import PrivateRequest
from higgins_protocol.registry import PRIVATE, encode_request

PING = [sys.executable, "-m", "higgins", "ping"]


async def ping(*arguments):
    return await trio.run_process(
        [*PING, *arguments], check=False, capture_stdout=True, capture_stderr=True
    )


async def answering(nursery, answer):
    async def serve(stream):
        async with stream:
            await stream.receive_some(100)
            await stream.send_all(answer)

    listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    return f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"


async def test_a_broker_that_answers_is_well(nursery):
    # Length, the correlation id of the question, no error, no versions.
    address = await answering(nursery, bytes([0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]))
    done = await ping("--bootstrap", address)
    assert (done.returncode, done.stdout) == (0, f"{address} answers\n".encode())


async def test_a_broker_whose_store_fails_is_told_apart(nursery):
    document = b'{"store":{"operations":"writes","since_ms":1000,"why":"The disk is full."}}'
    body = bytes([0, 0, 0, 7, 0, 0, 0, 0, len(document) + 1]) + document + b"\0"
    questions = []

    async def serve(stream):
        async with stream:
            questions.append(await stream.receive_some(14))
            await stream.send_all(bytes([0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]))
            questions.append(await stream.receive_some(100))
            await stream.send_all(len(body).to_bytes(4, "big") + body)

    listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    done = await ping("--bootstrap", f"127.0.0.1:{listeners[0].socket.getsockname()[1]}")
    assert done.returncode == 3
    assert b"its store fails (writes) since 1970-01-01T00:00:01Z: The disk is full." in done.stdout
    request = PrivateRequest(verb="ping", document=b"{}")
    assert questions[1] == b"".join(encode_request(PRIVATE, 0, 7, None, request))


async def test_what_speaks_something_else_is_not(nursery):
    address = await answering(nursery, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    done = await ping(f"--bootstrap={address}")
    assert done.returncode == 1
    assert b"does not speak Kafka's protocol" in done.stderr


async def test_nobody_there_is_not_well():
    done = await ping("-b", "127.0.0.1:1")
    assert done.returncode == 1
    assert b"127.0.0.1:1 does not answer" in done.stderr


async def test_a_question_that_makes_no_sense_is_told_apart():
    for arguments in (["--bootstrap"], ["--bootstrap", "nowhere"], ["--colour"], ["--timeout", "soon"]):
        done = await ping(*arguments)
        assert done.returncode == 2, arguments
        assert b"Usage" in done.stderr


def test_it_loads_neither_the_client_nor_an_argument_parser():
    script = (
        "import sys; sys.argv = ['higgins', 'ping', '-b', '127.0.0.1:1']\n"
        "from higgins.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'trio', 'cyclopts', 'higgins_protocol', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_commands_load_no_library_for_terminals_before_they_draw():
    for module in ("higgins.cli.completion", "higgins.cli.topic", "higgins.cli.consume"):
        script = f"import sys, {module}; print('rich' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
        assert done.stdout.strip() == "False", module
