"""A chat completions server on loopback: scripted answers, faults on demand, and counts.

In a test: `with serving(Script(answers=[...])) as server`. As a process of its own, which
outlives the client that is killed: `python tests/fake_chat_server.py --script file.json`, which
prints its port; `GET /counts` tells what was asked and answered.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_DRIP_S = 0.02
_HUGE = 10 << 20


@dataclass
class Script:
    """What the server says.

    Attributes:
        answers: The n-th request with the same body gets the n-th of these, over and over.
        faults: What the next requests get instead, None for nothing: a status; {"status": ...,
            "retry_after": ...}; {"body": ...}, an answer as it is; "hang" (no answer at all),
            "drip" and "drip_head" (body or head come byte by byte), "truncated" (half of the
            JSON), "reset" (the connection breaks), "huge" (ten megabytes), "zipped", "filtered",
            "refused", "cut_off" (half of the text), "silent" (no text), "no_usage".
        key: The key to be given; None for any.
        delay_s: Wait before every answer, in seconds.
        by_body: The n-th body that differs from those before gets the n-th answer, always.
    """

    answers: list[str] = field(default_factory=lambda: ["Hello."])
    faults: list[Any] = field(default_factory=list)
    key: str | None = None
    delay_s: float = 0.0
    by_body: bool = False


class FakeChatServer(ThreadingHTTPServer):
    """Speaks by a script, and counts.

    Attributes:
        bodies: The requests' bodies, in the order they came.
        requests: How often each body was asked, by its hash.
        answered: How often it was answered to the last byte, faults left out.
        busiest: Most requests under way at once.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.requests: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.under_way = self.busiest = 0
        self.lock, self.ending = threading.Lock(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def counts(self) -> dict[str, Any]:
        with self.lock:
            return {"requests": dict(self.requests), "answered": dict(self.answered)}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: clients that go away are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeChatServer

    def do_GET(self) -> None:
        self._send(200, json.dumps(self.server.counts()).encode())

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body, script = json.loads(raw), self.server.script
        name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
        with self.server.lock:
            fault = script.faults.pop(0) if script.faults else None
            number = self.server.requests[name]
            self.server.requests[name] += 1
            self.server.bodies.append(body)
            self.server.under_way += 1
            self.server.busiest = max(self.server.busiest, self.server.under_way)
        try:
            self.server.ending.wait(script.delay_s)
            key = self.headers["Authorization"]
            if script.key is not None and key != f"Bearer {script.key}":
                self._refuse(401, f"the key {key} is wrong")
            elif fault is None:
                chosen = list(self.server.requests).index(name) if script.by_body else number
                self._answer(_answer(body, script.answers[chosen % len(script.answers)]))
                with self.server.lock:
                    self.server.answered[name] += 1
            else:
                self._fail(fault, _answer(body, script.answers[0]))
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def _fail(self, fault: Any, answer: dict[str, Any]) -> None:
        choice = answer["choices"][0]
        if isinstance(fault, int):
            self._refuse(fault, f"fault for {self.headers['Authorization']}")
        elif isinstance(fault, dict) and "status" in fault:
            self._refuse(**fault)
        elif isinstance(fault, dict):
            self._answer(fault["body"])
        elif fault == "hang":
            self.server.ending.wait(60)
        elif fault == "drip_head":
            self._drip(b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 1000)
        elif fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        elif fault in ("drip", "truncated", "zipped"):
            self._answer(answer, fault)
        else:
            if fault == "huge":
                choice["message"]["content"] = "x" * _HUGE
            elif fault == "filtered":
                choice |= {"message": {"content": ""}, "finish_reason": "content_filter"}
            elif fault == "refused":
                choice["message"] = {"content": None, "refusal": "I cannot help with that."}
            elif fault == "cut_off":
                text = choice["message"]["content"]
                choice |= {
                    "message": {"content": text[: len(text) // 2]},
                    "finish_reason": "length",
                }
            elif fault == "silent":
                choice |= {"message": {"content": None}, "finish_reason": "length"}
            elif fault == "no_usage":
                del answer["usage"]
            else:
                raise ValueError(f"the script holds an unknown fault {fault!r}")
            self._answer(answer)

    def _refuse(
        self, status: int, message: str = "fault", code: str | None = None, retry_after: str = ""
    ) -> None:
        error = {"error": {"message": message, "code": code}}
        headers = {"Retry-After": retry_after} if retry_after else {}
        self._send(status, json.dumps(error).encode(), headers)

    def _answer(self, answer: dict[str, Any], fault: str = "") -> None:
        body = json.dumps(answer).encode()
        if fault == "truncated":
            body = body[: len(body) // 2]
        headers = {"Content-Encoding": "gzip"} if fault == "zipped" else {}
        self._send(200, body, headers, drips=fault == "drip")

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        drips: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if drips:
            self._drip(body)
        else:
            self.wfile.write(body)

    def _drip(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            if self.server.ending.wait(_DRIP_S):
                return

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(script: Script) -> Iterator[FakeChatServer]:
    """Runs a server in a thread of this process."""
    with FakeChatServer(script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


def _answer(body: dict[str, Any], text: str) -> dict[str, Any]:
    read = sum(len(message["content"].split()) for message in body["messages"])
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": read, "completion_tokens": len(text.split())},
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--script", type=Path, help="the fields of Script as JSON")
    given = parser.parse_args()
    script = Script(**json.loads(given.script.read_text())) if given.script else Script()
    with FakeChatServer(script, given.port) as server:
        print(server.server_port, flush=True)
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    _main()
