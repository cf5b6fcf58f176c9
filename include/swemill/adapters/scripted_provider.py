"""A provider without a model: a real HTTP server that speaks the OpenAI protocol and answers by script.

With no provider key the pipeline runs against this, through the same client, the same gateway and the same bytes on the
wire as with a real provider. It listens on 127.0.0.1 only and wants a bearer token made for the occasion, because it
knows the gold patch.
"""

import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from swemill.adapters.scripted_answers import Fault, Script, answer, completion, error

_MAX_REQUEST = 64 << 20


@dataclass(frozen=True, kw_only=True)
class ScriptedEndpoint:
    """Where a running scripted provider is reached."""

    base_url: str
    api_key: str = field(repr=False)


@contextmanager
def scripted_provider(*, patch: bytes = b"", slow_seconds: float = 60.0) -> Iterator[ScriptedEndpoint]:
    """Serve every script on an ephemeral port of 127.0.0.1 for as long as the context lasts.

    Args:
        patch: the gold patch, which ``oracle`` replays.
        slow_seconds: how long ``fault-slow`` thinks before it answers.
    """
    with _Server(patch=patch, slow_seconds=slow_seconds) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="scripted-provider", daemon=True)
        thread.start()
        try:
            yield ScriptedEndpoint(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key=server.token)
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *, patch: bytes, slow_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.patch = patch
        self.slow_seconds = slow_seconds
        self.token = secrets.token_urlsafe(24)
        self.closing = threading.Event()
        self._refused_once = False
        self._lock = threading.Lock()

    def refuse_once(self) -> bool:
        """True the first time only: the one piece of state, for ``fault-429-once``."""
        with self._lock:
            first, self._refused_once = not self._refused_once, True
        return first


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # a client that stalls must not hold its thread for ever
    server: _Server

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            return self._fault(error(404, f"Unknown path {self.path}.", code="not_found"))
        if not self._authorized():
            return self._fault(answer(Script.UNAUTHORIZED, 0, patch=b""))
        models = [{"id": script.value, "object": "model", "created": 0, "owned_by": "swemill"} for script in Script]
        return self._json({"object": "list", "data": models})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MAX_REQUEST:
            return self._fault(error(413, "A Content-Length of at most 64 MiB is needed.", code="too_large"))
        body = self.rfile.read(int(length))
        if self.path != "/v1/chat/completions":
            return self._fault(error(404, f"Unknown path {self.path}.", code="not_found"))
        if not self._authorized():
            return self._fault(answer(Script.UNAUTHORIZED, 0, patch=b""))
        try:
            request = json.loads(body)
            model, messages = request["model"], request["messages"]
            step = sum(message["role"] == "assistant" for message in messages)
        except (ValueError, KeyError, TypeError) as cause:
            return self._fault(error(400, f"Malformed request: {cause!r}.", code="invalid_request"))
        if model not in tuple(Script):
            return self._fault(error(404, f"The model {model!r} does not exist.", code="model_not_found"))
        return self._complete(request, Script(model), messages, step)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the rollout keeps the transcript."""

    def _authorized(self) -> bool:
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode())

    def _complete(self, request: dict[str, Any], script: Script, messages: list[Any], step: int) -> None:
        if script is Script.SLOW:
            self.server.closing.wait(self.server.slow_seconds)
        if script is Script.RATE_LIMIT_ONCE and self.server.refuse_once():
            script = Script.RATE_LIMIT
        turn = answer(script, step, patch=self.server.patch)
        if isinstance(turn, Fault):
            return self._fault(turn)
        reply = completion(turn, model=script.value, messages=messages, created=int(time.time()))
        if request.get("stream"):
            usage = bool((request.get("stream_options") or {}).get("include_usage"))
            return self._stream(reply, include_usage=usage)
        return self._json(reply)

    def _stream(self, reply: dict[str, Any], *, include_usage: bool) -> None:
        """The same reply as server-sent events: a delta with everything, the finish reason, the usage."""
        choice = reply["choices"][0]
        delta = dict(choice["message"])
        if "tool_calls" in delta:
            delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(delta["tool_calls"])]
        head = {key: reply[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        chunks: list[dict[str, Any]] = [
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
        ]
        if include_usage:
            chunks.append({**head, "choices": [], "usage": reply["usage"]})
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        self._send(200, "".join(events).encode(), "text/event-stream")

    def _json(self, value: dict[str, Any]) -> None:
        self._send(200, json.dumps(value).encode(), "application/json")

    def _fault(self, fault: Any) -> None:
        self._send(fault.status, fault.body, fault.content_type, **fault.headers)

    def _send(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        self.close_connection = True
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Type": content_type, "Connection": "close"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client stopped waiting, as it may
