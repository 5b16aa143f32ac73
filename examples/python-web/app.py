"""A web app of Python's standard library."""
import os
import pathlib
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = pathlib.Path(__file__).with_name("VERSION").read_text().strip()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # a connection serves many requests
    wbufsize = -1  # head and body leave together

    def do_GET(self):
        text = "up" if self.path == "/up" else f"Hello from Python, version {VERSION}"
        body = f"{text}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    request_queue_size = 1024  # connections that may wait to be accepted
    daemon_threads = False  # server_close() waits for the requests being answered

    def __init__(self, address):
        super().__init__(address, Handler)
        self.connections = set()

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self):
        """Takes no further request on the open connections; answers under way still go out."""
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # closed meanwhile


def main():
    address = os.environ.get("BIND_ADDRESS", "127.0.0.1"), int(os.environ.get("PORT", 8000))
    server = Server(address)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"version {VERSION} listens on http://{address[0]}:{address[1]}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.hang_up()
    server.server_close()
    print("stopped", flush=True)


if __name__ == "__main__":
    main()
