"""Keeps notes in Postgres, with psycopg 3 and its pool. ../README.md says what it answers."""

import json
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from psycopg import DataError, Error, OperationalError
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

DEADLINE, PATIENCE = 10, 5

migrated = threading.Event()


def log(text):
    print(text, flush=True)


pool = ConnectionPool(
    os.environ["DATABASE_URL"],
    min_size=1,
    max_size=4,
    open=False,
    configure=lambda connection: log(f"connected: the server's process {connection.info.backend_pid}"),
    # The pool's pauses between attempts double for five minutes, and then it gives up. Requests that
    # wait need shorter ones: it gives up after three seconds, and check() has it begin anew.
    reconnect_timeout=3,
    reconnect_failed=ConnectionPool.check,
    # Prepared statements do not go with a proxy that pools transactions: they are another connection's.
    kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": 3, "prepare_threshold": None},
)


def is_lost(error):
    # What has no SQLSTATE does not come from the server, but is about the connection. Of what the server or
    # a proxy says, that are the classes "connection exception" and "shutdown", and "too many connections".
    return isinstance(error, OperationalError) and (error.sqlstate or "08").startswith(("08", "57P", "53300"))


def cut(connection):
    with socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)


def query(sql, values=None):
    """Again when the connection was lost: whatever runs by this has to bear being run twice."""
    end, pause = time.monotonic() + DEADLINE, 0.1
    while True:
        try:
            with pool.connection(timeout=max(0.1, end - time.monotonic())) as connection:
                # psycopg waits without a limit. What is cut off looks like a lost connection.
                limit = threading.Timer(min(PATIENCE, end - time.monotonic()), cut, [connection])
                limit.start()
                try:
                    cursor = connection.execute(sql, values)
                    return cursor.fetchall() if cursor.description else []
                finally:
                    limit.cancel()
        except OperationalError as error:
            if not is_lost(error) or time.monotonic() > end:
                raise
            log(f"lost a connection: {error}")
        time.sleep(pause)
        pause = min(2 * pause, 1)


def migrate():
    while not migrated.is_set():
        try:
            # Several statements in one string are one transaction, at whose end the lock is released.
            # Without it two pods that start together could both find no table.
            query("""select pg_advisory_xact_lock(hashtext('notes'));
                     create table if not exists notes (id bigserial primary key, text text not null)""")
            migrated.set()
            log("migrated")
        except Error as error:
            log(f"cannot migrate yet: {error}")
            time.sleep(1)  # after any error: the database itself may still be being made


def insert(text):
    # The number first: when the answer to the insert is lost, nobody knows whether it happened, and by its
    # number it can be repeated without a second note.
    number = query("select nextval('notes_id_seq') as id")[0]["id"]
    query("insert into notes (id, text) values (%s, %s) on conflict (id) do nothing", [number, text])
    return number


ROUTES = {
    "GET /notes": lambda _: [row["text"] for row in query("select text from notes order by id")],
    "POST /notes": lambda body: insert(body.decode()),
    "GET /select1": lambda _: query("select 1 as one")[0]["one"],
    "GET /whoami": lambda _: query("select current_user as user, session_user, current_database() as database")[0],
    "GET /pid": lambda _: query("select pg_backend_pid() as pid")[0]["pid"],
}


def answer(key, body):
    if key == "GET /health" and migrated.is_set():
        return 200, "ok"
    if not migrated.is_set():
        return 503, "not migrated yet"
    if key not in ROUTES:
        return 404, "not found"
    try:
        return 201 if key.startswith("POST") else 200, ROUTES[key](body)
    except (Error, UnicodeDecodeError) as error:
        log(f"{key}: {error}")
        of_client = isinstance(error, (DataError, UnicodeDecodeError))
        return 400 if of_client else 503 if is_lost(error) else 500, str(error)


class Handler(BaseHTTPRequestHandler):
    timeout = 30  # for a client that does not finish its request

    def do_GET(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = answer(f"{self.command} {self.path.split('?')[0]}", sent)
        is_json = isinstance(body, (dict, list))
        text = (json.dumps(body) if is_json else str(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if is_json else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for the requests that still run
    request_queue_size = 128


server = Server(("", int(os.environ.get("PORT", 3000))), Handler)
# From another thread: shutdown() waits for serve_forever(), which runs in this one.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
pool.open()
threading.Thread(target=migrate, daemon=True).start()
server.serve_forever(poll_interval=0.1)
log("SIGTERM")
server.server_close()
pool.close()
log("ended")
