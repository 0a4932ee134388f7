"""
What becomes of submissions when their provider fails, one way of failing after the other.

A server on this machine fails as told and counts what arrives; a worker sweeps, and what is due later is made due in
the database, so that days take seconds. Prints a table, and exits with 1 where a row breaks one of these:

* recovered: every record is settled by the verdict that its bytes have, none by ``on_error``;
* calls: those the server saw, less those that it spoilt itself, are at most 1.05 a submission. What it spoilt is the
  price of the failure (a refused connection never arrives); the rest would be waste of ours;
* too fast: no call comes sooner than the rate allows, by the server's own count over any second.

    python -m tests.faults.outages
    DATABASE_URL=postgres://… python -m tests.faults.outages --submissions 100 --seed 7
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
from collections.abc import Sequence

import django
from django.conf import settings
from django.test.utils import setup_databases, setup_test_environment, teardown_databases

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from .outage_runs import HEADER, OUTAGES, forget, measure  # noqa: E402 - models cannot be had before


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Let the provider fail in many ways and count what comes of it.")
    parser.add_argument("--submissions", type=int, default=500, help="a row (default: 500)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="to repeat a run")  # noqa: S311
    parser.add_argument("--qps", type=float, default=100, help="the rate that is allowed (default: 100)")
    parser.add_argument("--timeout", type=float, default=10, help="the provider's, in seconds (default: 10)")
    parser.add_argument("--only", choices=OUTAGES, metavar="NAME", help=f"one of: {', '.join(OUTAGES)}")
    given = parser.parse_args(arguments)
    random.seed(given.seed)
    print(f"seed={given.seed} database={settings.DATABASES['default']['ENGINE']} qps={given.qps:g}")
    print(HEADER, flush=True)
    rows = []
    for name in [given.only] if given.only else OUTAGES:
        forget()
        rows.append(measure(name, submissions=given.submissions, seed=given.seed, qps=given.qps, timeout=given.timeout))
        print(rows[-1], flush=True)
    return int(any(row.faults for row in rows))


def run_on_test_databases() -> int:
    os.environ["NO_PROXY"] = "127.0.0.1"
    for name in ("django_imgmod", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        return main()
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    sys.exit(run_on_test_databases())
