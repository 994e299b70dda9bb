"""A server of logs that costs next to nothing itself: what is to be sent lies ready in memory, framing and all.

It is a Kubernetes API with one pod, a Kubecost, and a plain address for curl (``/raw``). Started as a program of its
own; it prints its port, then, for every stream, when it began to send (seconds of the system's monotonic clock).
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

PLACE = {"namespace": "bench", "deployment": "d", "container": "c"}
CHUNK = 32 << 10
PACE = 0.005  # seconds between two lines of a paced stream
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
_STATE = {"running": {"startedAt": "2023-01-01T00:00:00Z"}}
_POD = {
    "metadata": {
        "name": "p",
        "namespace": "bench",
        "uid": "pod",
        "labels": {"app": "a"},
        "creationTimestamp": "2023-01-01T00:00:00Z",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "uid": "rs", "controller": True}],
    },
    "spec": {"containers": [{"name": "c"}]},
    "status": {
        "phase": "Running",
        "containerStatuses": [
            {"name": "c", "containerID": "x://1", "state": _STATE, "lastState": {}, "ready": True, "restartCount": 0}
        ],
    },
}
_OWNER = {"ownerReferences": [{"kind": "Deployment", "name": "d", "uid": "dep", "controller": True}]}
_OBJECTS = {
    "/apis/apps/v1/namespaces/bench/deployments/d": {
        "metadata": {"name": "d", "uid": "dep"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}},
    },
    "/apis/apps/v1/namespaces/bench/replicasets/r": {"metadata": {"name": "r", "uid": "rs"} | _OWNER},
    "/api/v1/namespaces/bench/pods": {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [_POD]},
    "/api/v1/namespaces/bench/pods/p": {"kind": "Pod", "apiVersion": "v1"} | _POD,
    # What kubectl wants to know before it reads a log.
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get"]}],
    },
}


class Server:
    """``body`` is what a stream sends at once, framed; ``paced``: after it, a line every 5 ms, for so many lines."""

    def __init__(self, body: bytes, paced: int, noise: int) -> None:
        self._body = body
        self._paced = paced
        self._noise = noise
        self._last = b""
        self._repairs: list[float] = []
        self._evidence: list[float] = []
        self._log: socket.socket | None = None

    def serve(self, listener: socket.socket) -> None:
        """For ever, a thread for each connection."""
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        rest = b""
        try:
            while True:
                while b"\r\n\r\n" not in rest:
                    more = connection.recv(65536)
                    if not more:
                        return
                    rest += more
                head, _, rest = rest.partition(b"\r\n\r\n")
                path, _, query = head.split(b" ", 2)[1].decode().partition("?")
                if not self._answer(connection, path, query):
                    return
        except OSError:
            return

    def _answer(self, connection: socket.socket, path: str, query: str) -> bool:
        if path == "/raw" or (path.endswith("/log") and "follow=true" in query):
            # The watcher and who wants to hear what follows a request ask for stamps; a pipeline's stream has an end.
            self._stream(connection, ends="timestamps=true" not in query)
            return False
        if path.endswith("/log"):
            _reply(connection, self._last, "text/plain")
        elif path.endswith("/repair"):
            self._repair(connection, query)
        else:
            _reply(connection, json.dumps(_OBJECTS.get(path, {})).encode(), "application/json")
        return True

    def _stream(self, connection: socket.socket, *, ends: bool) -> None:
        connection.sendall(_HEAD)
        print(f"sending {time.monotonic()}", flush=True)
        connection.sendall(self._body)
        self._log = connection
        for number in range(self._paced):
            time.sleep(PACE)
            lines = [stamped(f"INF noise {each} of this and that, nothing that matters") for each in range(self._noise)]
            lines.append(stamped(f"INF Thanos query took 1s for {time.monotonic_ns()} series"))
            self._last = lines[-1]
            connection.sendall(framed(b"".join(lines)))
            if number == self._paced - 1:
                print(f"sent {time.monotonic()}", flush=True)
        if ends:
            connection.sendall(b"0\r\n\r\n")
            connection.close()
            return
        while connection.recv(1):
            pass

    def _repair(self, connection: socket.socket, query: str) -> None:
        """Take a repair of one day, log it as done at once, and tell how long ago the evidence before it was."""
        now = time.monotonic()
        if self._evidence:
            print(f"reacted {now - self._evidence[-1]}", flush=True)
        _reply(connection, b'{"code":200,"data":"Repairing Asset ETL"}', "application/json")
        first = datetime.fromisoformat(query.partition("window=")[2].replace("%3A", ":").partition(",")[0][:20])
        end = first + timedelta(days=1)
        words = [f"{first:%Y-%m-%d %H:%M:%S} +0000 UTC", f"{end:%Y-%m-%d %H:%M:%S} +0000 UTC"]
        window = f"[{first:%Y-%m-%dT%H:%M:%S}+0000, {end:%Y-%m-%dT%H:%M:%S}+0000)"
        if self._log is not None:
            self._say(f"INF ETL: Asset[1d]: ETLStore.Repair[abcde]: repairing {', '.join(words)}")
            time.sleep(0.02)
            self._evidence.append(time.monotonic())
            done = f"AggregatedStore.Run[abcde]: run: aggregated {window} from 40 to 7 in 91.5µs"
            self._say(f"INF ETL: Asset[1d]: {done}")

    def _say(self, text: str) -> None:
        if self._log is not None:
            self._last = stamped(text)
            self._log.sendall(framed(self._last))


def stamped(text: str) -> bytes:
    """A line as the container runtime would stamp it now."""
    now = time.time_ns()
    moment = datetime.fromtimestamp(now // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{now % 10**9:09}Z {text}\n".encode()


def framed(data: bytes) -> bytes:
    """One chunk of HTTP's chunked encoding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _body(log: Path | None, *, a_line_each: bool) -> bytes:
    if log is None:
        return b""
    data = log.read_bytes()
    if a_line_each:
        return b"".join(framed(line) for line in data.splitlines(keepends=True))
    return b"".join(framed(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK))


def _reply(connection: socket.socket, body: bytes, kind: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


# ---- as a program ---------------------------------------------------------------------------------------------------


class Serving:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line("port"))

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, word: str) -> float:
        """The number that it prints next behind ``word``."""
        return float(self._line(word))

    def _line(self, word: str) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith(f"{word} "):
                return line.split()[1]
        message = f"the server ended without a word of {word!r}"
        raise RuntimeError(message)


@contextmanager
def serving(log: Path | None = None, *, a_line_each: bool = False, paced: int = 0, noise: int = 0) -> Iterator[Serving]:
    """A server that sends ``log`` at once, then ``paced`` lines, each with ``noise`` lines before it."""
    command = [sys.executable, "-m", "benchmarks.serving", f"--paced={paced}", f"--noise={noise}"]
    command += ["--log", str(log)] if log is not None else []
    command += ["--a-line-each"] if a_line_each else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Serving(process)
        finally:
            process.kill()


def write_kubeconfig(path: Path, address: str) -> Path:
    """A kubeconfig for a server."""
    named = {
        "clusters": [{"name": "b", "cluster": {"server": address}}],
        "users": [{"name": "b", "user": {}}],
        "contexts": [{"name": "b", "context": {"cluster": "b", "user": "b", "namespace": "bench"}}],
    }
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "b", **named}))
    return path


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path)
    parser.add_argument("--a-line-each", action="store_true")
    parser.add_argument("--paced", type=int, default=0)
    parser.add_argument("--noise", type=int, default=0)
    chosen = parser.parse_args()
    server = Server(_body(chosen.log, a_line_each=chosen.a_line_each), chosen.paced, chosen.noise)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"port {listener.getsockname()[1]}", flush=True)
        server.serve(listener)


if __name__ == "__main__":
    main()
