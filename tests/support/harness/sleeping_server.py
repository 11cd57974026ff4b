"""A server of known speed.

Run by ``python sleeping_server.py SLEEP_MS N_AT_A_TIME FAIL_EVERY --port PORT``. It answers after a
sleep, at most N_AT_A_TIME requests at once, and every FAIL_EVERYth with status 503. Each connection
has a thread: the kernel's own timer ends its sleep within 0.1 ms, where the timers of asyncio are
rounded to milliseconds, so that the time of an answer would depend on what else is under way. It
records how long each request took, from its head to its answer; ``GET /recorded`` returns these
times in ms, as a JSON list, and forgets them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import threading
import time


class Sleeper:
    """What the connections share.

    Args:
        sleep_s: How long an answer takes.
        n_at_a_time: Requests that may sleep at once.
        fail_every: Which of the requests fail; 0 for none.
    """

    def __init__(self, sleep_s: float, n_at_a_time: int, fail_every: int) -> None:
        self._sleep_s = sleep_s
        self._free = threading.Semaphore(n_at_a_time)
        self._fail_every = fail_every
        self._numbers = itertools.count(1)
        self._recorded_ms: list[float] = []

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of a connection until it ends."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as asked:
            while line := asked.readline():
                started_s = time.perf_counter()
                length = 0
                while (header := asked.readline()) not in (b"\r\n", b""):
                    name, _, value = header.lower().partition(b":")
                    length = int(value) if name == b"content-length" else length
                asked.read(length)
                is_asked = line.startswith(b"POST")
                status, body = self._sleep() if is_asked else (b"200 OK", self._look(line))
                connection.sendall(
                    b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
                )
                if is_asked:
                    self._recorded_ms.append((time.perf_counter() - started_s) * 1e3)

    def _sleep(self) -> tuple[bytes, bytes]:
        fails = self._fail_every > 0 and next(self._numbers) % self._fail_every == 0
        with self._free:
            time.sleep(self._sleep_s)
        return (b"503 Service Unavailable" if fails else b"200 OK"), b"ok"

    def _look(self, line: bytes) -> bytes:
        if b"/recorded" not in line:
            return b"ok"
        recorded, self._recorded_ms = self._recorded_ms, []
        return json.dumps(recorded).encode()


def main() -> None:
    """Serve on a port of this machine until killed."""
    sleep_ms, n_at_a_time, fail_every, _, port = sys.argv[1:]
    sleeper = Sleeper(float(sleep_ms) / 1000, int(n_at_a_time), int(fail_every))
    with socket.create_server(("127.0.0.1", int(port)), backlog=512) as listening:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=sleeper.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
