"""What the daemon costs while nothing happens: a quiet stream, everything switched on."""

from __future__ import annotations

import http.server
import os
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from benchmarks.follow import WAIT, daemon
from benchmarks.running import peak_memory, present_memory
from benchmarks.serving import serving

TICKS = os.sysconf("SC_CLK_TCK")
SLACK = "slack://T00000000/B00000000/" + 24 * "x" + "/#repairs"  # no token of anybody
SETTLING = 5.0  # seconds after the first message
SCRAPE = 30.0  # seconds between two looks at the metrics and the life signs, as a cluster has them


def idle(folder: Path, seconds: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Processor time and memory of `watcher run` that waits for a line of a stage that it asked for.

    The web answer is on and scraped, and one Slack destination was told that the run began.
    """
    tell(f"idle, following a quiet server for {seconds:.0f} s")
    with (
        _slack(folder) as (environment, told),
        serving() as server,
        daemon(folder, server, environment, notify=[{"url": SLACK}]) as status,
    ):
        address, pid = status()["address"], status()["pid"]
        if not told.wait(60):
            message = "the destination was told nothing"
            raise RuntimeError(message)
        time.sleep(SETTLING)
        begun, used = time.monotonic(), _processor_time(pid)
        while (left := begun + seconds - time.monotonic()) > 0:
            for path in ("/metrics", "/healthz", "/readyz"):
                with urllib.request.urlopen(address + path, timeout=WAIT) as answer:
                    answer.read()
            time.sleep(min(left, SCRAPE))
        took, used = time.monotonic() - begun, _processor_time(pid) - used
        return {
            "seconds": took,
            "cpu_seconds_per_hour": used / took * 3600,
            "share_of_a_core": used / took,
            "rss_kib": present_memory(pid),
            "peak_kib": peak_memory(pid),
        }


def _processor_time(pid: int) -> float:
    """Seconds that a process spent on a processor so far."""
    try:  # in nanoseconds, of each thread
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9
    except OSError:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS


@contextmanager
def _slack(folder: Path) -> Iterator[tuple[dict[str, str], threading.Event]]:
    """Slack on this machine: the environment in which it is reached, as through a proxy, and whether it was told."""
    told = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority, known = trustme.CA(), folder / "slack-ca.pem"
    authority.issue_cert("hooks.slack.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(known))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = self.request = context.wrap_socket(self.connection, server_side=True)
            self.setup()
            self.handle_one_request()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            told.set()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            yield {"HTTPS_PROXY": address, "REQUESTS_CA_BUNDLE": str(known)}, told
        finally:
            server.shutdown()
            thread.join()
