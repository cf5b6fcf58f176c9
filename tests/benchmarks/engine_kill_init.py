"""Process 1 of the drill's machine: serves a package index inside it, and starts and kills its engine on command.

    unshare --net --mount --pid --fork --mount-proc python engine_kill_init.py WHEELS PORT LOG DOCKERD ...

It takes lines from standard input, ``start`` or ``kill``, and answers each with one. Where its input ends, it ends, and
the kernel kills whatever else runs in the machine at that moment: that is the power cut. Nothing but the standard
library, because it also has to end well when nobody is left to look after it.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

UPLOADED = "2020-01-01T00:00:00Z"
"""Of every wheel: older than any commit of the drill."""


def listing(wheels: Path, project: str) -> bytes | None:
    """The PEP 691 answer for a project; None when there is no wheel of it."""
    files = [
        {
            "filename": wheel.name,
            "url": f"/files/{wheel.name}",
            "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
            "size": wheel.stat().st_size,
            "upload-time": UPLOADED,
        }
        for wheel in sorted(wheels.glob("*.whl"))
        if wheel.name.split("-")[0].lower().replace("_", "-") == project
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files}).encode() if files else None


def handler(wheels: Path) -> type[BaseHTTPRequestHandler]:
    """What answers requests for the wheels of a folder."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, _, name = unquote(self.path).strip("/").partition("/")
            body, form = None, "application/vnd.pypi.simple.v1+json"
            if kind == "simple":
                body = listing(wheels, name)
            elif kind == "files" and "/" not in name and (wheels / name).is_file():
                body, form = (wheels / name).read_bytes(), "application/octet-stream"
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", form)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def bury(engine: list[subprocess.Popen]) -> None:
    """Wait for orphans (the shims' and the containers' processes), as process 1 has to; the engine has its own wait."""
    while True:
        own = {process.pid for process in engine}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) not in own and is_dead_child(entry):
                os.waitpid(int(entry.name), os.WNOHANG)
        time.sleep(0.2)


def is_dead_child(process: Path) -> bool:
    """Whether it is a zombie of ours."""
    try:
        state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return False  # buried meanwhile by its own parent
    return (state, parent) == ("Z", "1")


def main(wheels: str, port: str, log: str, *dockerd: str) -> None:
    """Serve and obey until standard input ends."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Sockets, process numbers and locks of the engine, its shims and iptables: apart from this system's, and gone when
    # the machine is.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    server = ThreadingHTTPServer(("0.0.0.0", int(port)), handler(Path(wheels)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    engine: list[subprocess.Popen] = []
    threading.Thread(target=bury, args=(engine,), daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "start":
            with Path(log).open("ab") as output:
                engine[:] = [subprocess.Popen(dockerd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)]
        elif line.strip() == "kill":
            for process in engine:
                process.kill()
                process.wait()
        print("done", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
