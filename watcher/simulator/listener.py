"""One aiohttp application on one socket of this machine."""

from __future__ import annotations

from ssl import SSLContext

from aiohttp import web


class Listener:
    """Serves ``application`` on 127.0.0.1 between ``open`` and ``close``; port 0 takes any free one."""

    def __init__(self, application: web.Application, port: int = 0, ssl: SSLContext | None = None) -> None:
        self._runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=0.1)
        self._port = port
        self._ssl = ssl
        self.url = ""

    async def open(self) -> None:
        """Begin to listen; OSError where the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._ssl).start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._ssl else 'http'}://127.0.0.1:{port}"

    async def close(self) -> None:
        """Stop, whatever is still being answered."""
        await self._runner.cleanup()
