"""TLS in front of a server that has none.

The Valkey of the wheel is built without TLS. Here a thread accepts TLS connections with a
certificate of the local authority and passes their bytes on. ElastiCache ends TLS in the node; a
client sees no difference.
"""

import asyncio
import contextlib
import ssl
import threading

_CHUNK = 65536


class TlsFront:
    """Listens on 127.0.0.1 and passes everything to a port of this machine."""

    def __init__(self, context: ssl.SSLContext, target_port: int) -> None:
        """`context` has the certificate of the server."""
        self.port = 0
        self._target_port = target_port
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Return when it listens; `port` is then known."""
        listening = threading.Event()
        problems: list[Exception] = []

        async def listen() -> None:
            try:
                server = await asyncio.start_server(
                    self._connected, "127.0.0.1", self.port, ssl=self._context
                )
            except Exception as error:
                problems.append(error)
                listening.set()
                return
            self.port = server.sockets[0].getsockname()[1]
            listening.set()
            # stop() cancels it.
            with contextlib.suppress(asyncio.CancelledError):
                async with server:
                    await server.serve_forever()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._task = self._loop.create_task(listen())
            self._loop.run_until_complete(self._task)
            open_ones = asyncio.all_tasks(self._loop)
            for each in open_ones:
                each.cancel()
            self._loop.run_until_complete(asyncio.gather(*open_ones, return_exceptions=True))
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True, name="tls-front")
        self._thread.start()
        listening.wait()
        if problems:
            raise problems[0]

    def stop(self) -> None:
        """Close the port and all connections."""
        if self._thread is None:
            return
        self.drop_connections()
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(timeout=10)
        self._thread = None

    def drop_connections(self) -> None:
        """Cut all connections, as a failover does."""

        def abort() -> None:
            for writer in self._writers:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        inner_reader, inner_writer = inner
        both = {writer, inner_writer}
        self._writers |= both
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            self._writers -= both
            for each in both:
                each.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until one side closes, then close the other one."""
    with contextlib.suppress(OSError, asyncio.CancelledError, ssl.SSLError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()
