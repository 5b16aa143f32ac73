"""The background service: does one job after another, and at SIGTERM ends between two."""
import os
import signal
import threading

import jobs

NAME = os.environ.get("SLIPWAY_INSTANCE", "worker")
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())

db = jobs.connect()
print(f"{NAME} is ready", flush=True)
while not stopping.is_set():
    job = jobs.finish_next(db, NAME)
    if job:
        print(f"{NAME} has done job {job[0]}: {job[1]}", flush=True)
    stopping.wait(float(os.environ.get("SECONDS_PER_JOB", 5)))
print(f"{NAME} stopped", flush=True)
