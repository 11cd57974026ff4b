"""A server of known speed: ``python sleeping_server.py PORT SLEEP_MS N_AT_A_TIME FAIL_EVERY``.

It answers after a sleep, so many requests at a time, and every so manieth with status 503. One at
a time it blocks, so that its capacity is known to a percent: an event loop's own timers are right
to a millisecond only. It records how long each request took from being read to being answered;
``GET /recorded`` returns these times in ms, as a JSON list, and forgets them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


async def serve(port: int, sleep_s: float, n_at_a_time: int, fail_every: int) -> None:
    """Serve on a port of this machine until killed."""
    free = asyncio.Semaphore(n_at_a_time)
    n_asked = 0
    recorded_ms: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_asked
        while head := await _read_head(reader):
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            started_s, status, body = time.perf_counter(), b"200 OK", b"ok"
            if head.startswith(b"GET /recorded"):
                body = json.dumps(recorded_ms).encode()
                recorded_ms.clear()
            if head.startswith(b"POST"):
                n_asked += 1
                fails = fail_every > 0 and n_asked % fail_every == 0
                if n_at_a_time == 1:
                    time.sleep(sleep_s)
                else:
                    async with free:
                        await asyncio.sleep(sleep_s)
                if fails:
                    status = b"503 Service Unavailable"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            if head.startswith(b"POST"):
                recorded_ms.append((time.perf_counter() - started_s) * 1e3)
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


if __name__ == "__main__":
    port, sleep_ms, n_at_a_time, fail_every = (float(word) for word in sys.argv[1:])
    asyncio.run(serve(int(port), sleep_ms / 1000, int(n_at_a_time), int(fail_every)))
