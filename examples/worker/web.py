"""The web service: '/' tells how things are, POST /jobs adds a job."""
import os
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jobs


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with closing(jobs.connect()) as db:
            added, done = jobs.count(db)
        self.answer(200, f"{os.environ['GREETING']}: {done} of {added} jobs are done")

    def do_POST(self):
        if self.path != "/jobs":
            return self.answer(404, "POST /jobs adds a job")
        size = min(int(self.headers.get("Content-Length", 0)), 1000)
        name = self.rfile.read(size).decode(errors="replace") or "a job"
        with closing(jobs.connect()) as db:
            self.answer(201, f"job {jobs.add(db, name)} is added")

    def answer(self, status, text):
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Handler).serve_forever()
