"""The worker's own HTTP endpoint: /live, /ready, /metrics. Loopback unless told otherwise."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web
from mode import Service

if TYPE_CHECKING:
    from streams.app import PulseApp

log = logging.getLogger(__name__)


class Health(Service):  # type: ignore[misc]
    """Serves while the app runs; port 0 in the settings switches it off."""

    app: PulseApp
    _runner: web.AppRunner | None = None

    @classmethod
    def of(cls, app: PulseApp) -> type[Health]:
        """A service class bound to `app`, as Faust wants to be given one."""
        return type("Health", (cls,), {"app": app, "abstract": False})

    async def on_start(self) -> None:
        """Listen on the address of the settings."""
        settings = self.app.settings
        if settings.health_port == 0:
            return
        site = web.Application()
        site.add_routes(
            [web.get("/live", self._live), web.get("/ready", self._ready), web.get("/metrics", self._metrics)]
        )
        self._runner = web.AppRunner(site, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, settings.health_host, settings.health_port).start()
        except OSError as error:
            self.app.fatal(
                f"no health endpoint on {settings.health_host}:{settings.health_port} ({error.strerror}): "
                "set TAGPULSE_HEALTH_PORT to a free port, or to 0 to switch it off"
            )
        log.info("health endpoint on http://%s:%d", settings.health_host, settings.health_port)

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        # A worker without partitions is a ready spare.
        if self.app.settled:
            return web.Response(text="ready\n")
        return web.Response(text="no partitions taken over yet\n", status=503)

    async def _metrics(self, _: web.Request) -> web.Response:
        self.app.metrics.lag(self.app.checkpoints.lag())
        return web.Response(body=self.app.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})
