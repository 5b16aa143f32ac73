"""A web app of Python's standard library: says who it is, and counts its visitors in DATA_ROOT."""
import http.server
import os
import pathlib
import socket
import threading

VERSION = pathlib.Path(__file__).with_name("VERSION").read_text().strip()
COUNTER = pathlib.Path(os.environ.get("DATA_ROOT", ".")) / "visits"
LOCK = threading.Lock()


def count_visit():
    with LOCK:
        visits = int(COUNTER.read_text() or 0) + 1 if COUNTER.exists() else 1
        COUNTER.write_text(str(visits))
    return visits


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        visits = f", visit {count_visit()}" if self.path == "/" else ""
        body = f"hello from Python, version {VERSION}{visits}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}", flush=True)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = socket.SOMAXCONN


address = (os.environ.get("BIND_ADDRESS", "127.0.0.1"), int(os.environ.get("PORT", "8000")))
print(f"version {VERSION} listens on {address[0]}:{address[1]}", flush=True)
Server(address, Handler).serve_forever()
