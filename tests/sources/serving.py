"""An HTTP server on the loopback, in a thread of this process, that behaves as well or as badly as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the server says at one path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    """After how many bytes the next answers end; whole ones follow."""
    ranges: bool = True
    """Whether it sends a part where a part is asked for."""
    waits: threading.Event | None = None
    """It says nothing until this is set."""


@dataclass
class Serving:
    """A running server."""

    url: str
    answers: dict[str, Answer]
    asked: list[tuple[str, dict[str, str]]]
    """Path and headers of every question."""

    def ranges(self) -> list[str | None]:
        """Of every question, the part that it was for."""
        return [headers.get("range") for _, headers in self.asked]


@contextmanager
def serving() -> Iterator[Serving]:
    answers: dict[str, Answer] = {}
    asked: list[tuple[str, dict[str, str]]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers, asked))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield Serving(f"http://127.0.0.1:{server.server_address[1]}", answers, asked)
    finally:
        for answer in answers.values():
            if answer.waits is not None:
                answer.waits.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answers: dict[str, Answer], asked: list[tuple[str, dict[str, str]]]) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append((self.path, headers))
            answer = answers.get(self.path, Answer(b"nothing here", 404))
            if answer.waits is not None:
                answer.waits.wait(10)
            start = self._start(answer, headers)
            body = answer.body[start:]
            self.send_response(206 if start else answer.status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(answer.body) - 1}/{len(answer.body)}")
            for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: answer.cut.pop(0)] if answer.cut else body)

        def _start(self, answer: Answer, headers: dict[str, str]) -> int:
            fits = headers.get("if-range") in (None, answer.headers.get("ETag"))
            wanted = headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
            return int(wanted) if answer.ranges and fits else 0

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    return Handler
