"""What runs once for each deployment: 'check' before the build, 'migrate' before the new version starts."""
import os
import sys

import jobs


def check():
    if not os.environ.get("GREETING"):
        sys.exit("GREETING is not set: slipway config:set worker GREETING=Hello")


def migrate():
    jobs.migrate(jobs.connect())
    print(f"{jobs.PATH} is up to date")


{"check": check, "migrate": migrate}[sys.argv[1]]()
