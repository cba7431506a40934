"""A server that gives every request the same answer, for what an adapter makes of it."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Literal, TypeAlias

import msgspec

Manner: TypeAlias = Literal["answer", "reset", "silent", "cut"]


class ScriptedAnswer(msgspec.Struct, frozen=True):
    """An HTTP answer, or how none is given. With `cut` the connection ends after the first byte of the body."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    manner: Manner = "answer"

    def encoded(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Status", f"Content-Length: {len(self.body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body[:1] if self.manner == "cut" else self.body
        return "\r\n".join([*lines, "", ""]).encode() + body


class AnsweringServer:
    """`answer` may be changed while it runs; `requests` has the head of each request, method and path first."""

    def __init__(self, listener: socket.socket, answer: ScriptedAnswer) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.first: list[ScriptedAnswer] = []
        """Answers to the first requests, before `answer`."""
        self.endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._held: list[socket.socket] = []

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._reply, args=(connection,), daemon=True).start()

    def _reply(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(1 << 16)
            if not more:
                return
            head += more
            if head[:1] == b"\x16":
                break  # a TLS handshake: what answers it speaks HTTP
        text, _, body = head.partition(b"\r\n\r\n")
        self.requests.append(text.decode("latin-1"))
        announced = [line for line in text.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        missing = int(announced[0].split(b":")[1]) - len(body) if announced else 0
        while missing > 0 and (more := connection.recv(1 << 16)):
            missing -= len(more)
        answer = self.first.pop(0) if self.first else self.answer
        if answer.manner == "silent":
            self._held.append(connection)
            return
        with closing(connection):
            if answer.manner == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                connection.sendall(answer.encoded())


@contextmanager
def answering(answer: ScriptedAnswer) -> Iterator[AnsweringServer]:
    """A server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = AnsweringServer(listener, answer)
        threading.Thread(target=server.serve, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
