"""gunicorn's threaded worker, made to bear clients that are slow, silent or too many, and to be quick to the rest.

gunicorn gives a thread to each connection as it comes, for as long as its client takes to send a request, to send the
body and to read the answer. Here a connection has no thread before something comes over it, and each of these steps has
an end, which comes sooner while others wait. What waited too long for a thread is refused instead of being done too
late, and requests for /health have threads of their own. And where gunicorn stops all else for up to 2 s until a client
has closed its end too, here such connections lie aside.

A thread stays with its connection for a moment, if nobody else waits for one: to give it back to the main thread, which
watches it and gives it to another thread as something comes, takes a tenth of the time of a request (decision 0028).
"""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.errors import Overloaded
from app.web.problems import refusal
from deploy.client_socket import ClientSocket

HEAD_SECONDS = 10.0  # from the connection to its first byte, and from there to the end of the head
GRACE_SECONDS = 10.0  # for a body or an answer, however large
LEAST_BYTES_PER_SECOND = 16_384  # that it must go at, beyond the grace
QUEUE_SECONDS = 2.0  # that a request may wait for a thread
STAY_MS = 5  # that a thread waits for the next request on its connection
PRESSED_SECONDS = 1.0  # of grace, while others wait for a thread
SILENT_SECONDS = 1.0  # after which a connection may have to make room
LINGER_SECONDS = 2.0  # for a client to close its end after ours
LINGER_BYTES = 65_536  # that it may still send until then
HEALTH_THREADS = 2
HEALTH = b"GET /health"
ANNOUNCES_BODY = re.compile(rb"\r\n(content-length[ \t]*:[ \t]*0*[1-9]|transfer-encoding[ \t]*:)", re.IGNORECASE)
MOST_OF_A_HEAD = 8192  # that is looked at before it is read
PART_BYTES = 65_536
LOOK_SECONDS = 0.5
AT_ONCE = struct.pack("ii", 1, 0)


class Deadlines:
    """Ends what takes too long on a connection, by shutting it down under the thread that waits for it."""

    def __init__(self, is_pressed: Callable[[], bool]) -> None:
        self._is_pressed = is_pressed
        self._ends: dict[object, tuple[float, socket.socket, int]] = {}
        threading.Thread(target=self._mind, daemon=True).start()

    def set(self, connection: socket.socket, seconds: float, how: int) -> object:
        """From `seconds` on there is nothing more to read (`SHUT_RD`), or nothing at all; returns what `lift` takes."""
        mark = object()
        self._ends[mark] = (time.monotonic() + seconds, connection, how)
        return mark

    def lift(self, mark: object) -> None:
        self._ends.pop(mark, None)

    def _mind(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            from_now = GRACE_SECONDS - PRESSED_SECONDS if self._is_pressed() else 0.0
            latest = time.monotonic() + from_now
            for mark, (end, connection, how) in list(self._ends.items()):
                if end <= latest and self._ends.pop(mark, None):  # it may have been lifted meanwhile
                    with suppress(OSError):  # it was closed meanwhile
                        if how == socket.SHUT_RDWR:  # the kernel need not keep for it what it did not take
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                        connection.shutdown(how)


class Pace:
    """How long a client may still take: what is left of its grace, and what it earned by what it sent or took."""

    def __init__(self) -> None:
        self.left_seconds = GRACE_SECONDS
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.left_seconds -= time.monotonic() - self._began

    def earn(self, part: bytes) -> None:
        self.left_seconds = min(GRACE_SECONDS, self.left_seconds + len(part) / LEAST_BYTES_PER_SECOND)


class PatientBody:
    """The body of a request, whose end comes early if its client is too slow."""

    def __init__(self, body: Any, connection: socket.socket, deadlines: Deadlines) -> None:
        self._body = body
        self._connection = connection
        self._deadlines = deadlines
        self._pace = Pace()

    @property
    def is_cut_off(self) -> bool:
        return self._pace.left_seconds <= 0

    @property
    def is_read(self) -> bool:
        """Whether it surely was read to its end."""
        reader = self._body.reader
        return isinstance(reader, LengthReader) and not reader.length and not self._body.buf.tell()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def read(self, size: int | None = None) -> bytes:
        parts = []
        left = -1 if size is None else size
        while left:
            part = self._read_part(PART_BYTES if left < 0 else min(left, PART_BYTES))
            if not part:
                break
            parts.append(part)
            left -= len(part) if left > 0 else 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_part(self, size: int) -> bytes:
        mark = self._deadlines.set(self._connection, self._pace.left_seconds, socket.SHUT_RD)
        with self._pace:
            try:
                part: bytes = self._body.read(size)
            finally:
                self._deadlines.lift(mark)
        self._pace.earn(part)
        return part


class Connection(TConn):  # type: ignore[misc]
    """One that nobody waits for when it ends: `linger` sees to it, once there is nothing more to send."""

    def __init__(self, *given: Any, linger: Callable[[Connection], None]) -> None:
        super().__init__(*given)
        self._linger = linger
        self.left_bytes = LINGER_BYTES

    def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn calls it so
        if graceful:
            with suppress(OSError):  # the client has closed it already
                self.sock.settimeout(0)
                self.sock.shutdown(socket.SHUT_WR)
                self._linger(self)
                return
        super().close()


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """See the head of this file. What begins with an underscore is ours, the rest is gunicorn's."""

    def init_process(self) -> None:
        self._queued: deque[tuple[TConn, Future[Any]]] = deque()
        self._last: Future[Any] = Future()  # of those that were given to a thread; at first one that waits for nothing
        self._last.cancel()
        self._lingering: deque[Connection] = deque()
        self._deadlines = Deadlines(self._is_pressed)
        self._health_pool = ThreadPoolExecutor(HEALTH_THREADS)
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.app_of_pulpo: Any = self.wsgi
        self.wsgi: Any = self._answer

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        return self._in_parts(self.app_of_pulpo(environ, start_response), environ["gunicorn.socket"])

    def _in_parts(self, answer: Any, connection: socket.socket) -> Iterator[bytes]:
        """The answer, which ends early if its client is too slow to take it."""
        pace = Pace()
        # gunicorn sends the head once it has the first part. Over TLS it wraps the socket.
        together = connection.together() if isinstance(connection, ClientSocket) else nullcontext()
        try:
            for part in _parts_of(answer):
                mark = self._deadlines.set(connection, pace.left_seconds, socket.SHUT_RDWR)
                try:
                    with pace, together:
                        yield part
                finally:
                    self._deadlines.lift(mark)
                together = nullcontext()
                pace.earn(part)
        finally:
            if hasattr(answer, "close"):
                answer.close()

    def accept(self, listener: socket.socket) -> None:
        """Takes a connection, which waits without a thread for what comes over it."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        connection = Connection(self.cfg, ClientSocket.of(client), address, listener.getsockname(), linger=self._linger)
        connection.timeout = time.monotonic() + HEAD_SECONDS
        self.pending_conns.append(connection)
        self.poller.register(connection.sock, EVENT_READ, partial(self.on_pending_socket_readable, connection))

    def _linger(self, connection: Connection) -> None:
        """Keeps a connection until its client has closed it: what is closed with bytes unread is reset, answer and all.

        It still counts as one.
        """
        self.poller.register(connection.sock, EVENT_READ, partial(self._drain, connection))
        connection.timeout = time.monotonic() + LINGER_SECONDS
        self._lingering.append(connection)
        self.nr_conns += 1

    def _drain(self, connection: Connection, _: socket.socket) -> None:
        try:
            part = connection.sock.recv(LINGER_BYTES)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        connection.left_bytes -= len(part)
        if not part or connection.left_bytes <= 0:
            self._lingering.remove(connection)
            self._let_go(connection)

    def _let_go(self, connection: TConn) -> None:
        self.poller.unregister(connection.sock)
        self.nr_conns -= 1
        connection.close()

    def enqueue_req(self, conn: TConn) -> None:
        """Gives a connection on which something came to a thread."""
        conn.queued_at = time.monotonic()
        if _asks_for_health(conn.sock):
            task = self._health_pool.submit(self.handle, conn)
        else:
            task = self._last = self.tpool.submit(self._handle_all, conn)
        task.add_done_callback(lambda future: self.method_queue.defer(self.finish_request, conn, future))
        self._queued.append((conn, task))

    def _handle_all(self, conn: TConn) -> Any:
        """Handles what comes over a connection, until nothing comes at once or somebody else waits for a thread."""
        result = self.handle(conn)
        while result is True and self.alive and not self._has_others() and _more_comes(conn):
            result = self.handle(conn)
        return result

    def _has_others(self) -> bool:
        """Whether somebody waits for a thread; they get theirs in turn, so the last to come is the last to wait."""
        return _is_queued(self._last)

    def _is_pressed(self) -> bool:
        """Whether a request has waited long for a thread. Called by another thread than all the rest."""
        try:
            conn, task = self._queued[0]
        except IndexError:
            return False
        return _is_queued(task) and _waited(conn) > PRESSED_SECONDS

    def murder_pending(self) -> None:
        """gunicorn calls it after each look at its connections, so each second at least."""
        super().murder_pending()
        while self._lingering and self._lingering[0].timeout <= time.monotonic():
            self._let_go(self._lingering.popleft())
        self._make_room()
        while self._queued:
            conn, task = self._queued[0]
            if _is_queued(task):
                if _waited(conn) <= QUEUE_SECONDS:
                    break
                if task.cancel():  # which ends the connection, once this is done
                    _refuse(conn)
            self._queued.popleft()

    def _make_room(self) -> None:
        """Lets connections go that have been silent for a while, if there is no room for another one."""
        now = time.monotonic()
        for silent, most in (
            (self._lingering, LINGER_SECONDS),
            (self.pending_conns, HEAD_SECONDS),
            (self.keepalived_conns, self.cfg.keepalive),
        ):
            while self.nr_conns >= self.worker_connections and silent:
                if silent[0].timeout - now > most - SILENT_SECONDS:
                    break
                self._let_go(silent.popleft())

    def handle(self, conn: TConn) -> Any:
        conn.mark = self._deadlines.set(conn.sock, HEAD_SECONDS, socket.SHUT_RD)
        try:
            return super().handle(conn)
        finally:
            self._deadlines.lift(conn.mark)

    def handle_request(self, req: Any, conn: TConn) -> bool:
        self._deadlines.lift(conn.mark)  # the head is there
        req.body = body = PatientBody(req.body, conn.sock, self._deadlines)
        return bool(super().handle_request(req, conn)) and not body.is_cut_off

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:  # noqa: FBT001 - gunicorn calls it so
        """Whether the next request may follow. gunicorn looks each time for a rest of the body, twice."""
        if keepalive and conn.parser.mesg.body.is_read:
            conn.parser.mesg = None
            return True
        return bool(super()._keepalive_after(conn, keepalive))

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)


def _parts_of(answer: Any) -> Iterator[bytes]:
    """At least one, be it empty, since the head goes out with the first."""
    is_empty = True
    for item in answer:
        for start in range(0, len(item), PART_BYTES):
            is_empty = False
            yield item[start : start + PART_BYTES]
    if is_empty:
        yield b""


def _asks_for_health(connection: socket.socket) -> bool:
    """Whether the whole head is there, and no body follows: who owes some would hold one of the few threads."""
    try:
        head = connection.recv(MOST_OF_A_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return False
    return head.startswith(HEALTH) and b"\r\n\r\n" in head and not ANNOUNCES_BODY.search(head)


def _more_comes(conn: TConn) -> bool:
    """Whether the next request is here, or comes at once."""
    if conn.parser.unreader.buf.getvalue():
        return True
    watch = select.poll()
    watch.register(conn.sock, select.POLLIN)
    return bool(watch.poll(STAY_MS))


def _is_queued(task: Future[Any]) -> bool:
    return not task.running() and not task.done()


def _waited(conn: TConn) -> float:
    return time.monotonic() - float(conn.queued_at)


def _refuse(conn: TConn) -> None:
    """Answers 503 without a look at the request."""
    answer = refusal(Overloaded("Too many requests wait here; try again, or ask another node."), os.urandom(16).hex())
    headers = {"Content-Type": answer.content_type, **answer.headers, "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} Service Unavailable", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(answer.body)}", "", ""])
    with suppress(OSError):
        conn.sock.send(head.encode() + answer.body, socket.MSG_DONTWAIT)
