"""The jobs: an SQLite file in DATA_ROOT, which stays when a release is replaced."""
import os
import pathlib
import sqlite3

PATH = pathlib.Path(os.environ.get("DATA_ROOT", ".")) / "jobs.db"


def connect():
    db = sqlite3.connect(PATH, timeout=10, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    return db


def migrate(db):
    db.execute("CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, name TEXT NOT NULL, done_by TEXT)")


def add(db, name):
    return db.execute("INSERT INTO job (name) VALUES (?)", [name]).lastrowid


def finish_next(db, worker):
    """Does one job; its (id, name), or None when there is none."""
    return db.execute(
        "UPDATE job SET done_by = ? WHERE id = (SELECT min(id) FROM job WHERE done_by IS NULL) RETURNING id, name",
        [worker],
    ).fetchone()


def count(db):
    return db.execute("SELECT count(*), count(done_by) FROM job").fetchone()
