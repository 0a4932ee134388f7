"""
How many pieces of work several processes take from a queue in a second: ours, django-tasks-db's and Celery's.

All on this machine, one after the other, and again in each round. Workers are started first and wait; a queue is
filled while they do not see it; then they work it off. The work itself is nothing but its own counting. No result is
kept, and what a killed process had in hand comes back: by a lease here, acknowledged late by Celery; with
django-tasks-db what it claimed stays claimed.

django-imgmod
    ``benchmarks/claims.py`` says what is timed as "claimed" and as "claimed and done". The others are to be compared
    with the second: they do not only take work, they also see it done.
django-tasks-db
    ``manage.py db_worker`` in as many processes, on the same database as ours, with connections that stay open.
Celery
    Prefetch multiplier 1, as is usual with late acknowledgement, and 4, its default; messages are persistent. One
    worker with as many children (prefork), and as many workers without (solo), which is often faster. Left out is solo
    with multiplier 1 on RabbitMQ: it stalls, for reasons not found, and does 15 a second in one run and 2,500 in the
    next.

Theirs is the time from the first piece of work that begins to the last that does: to take the first and to see the
last one done is not counted, in favour of the others. A ratio is ours to theirs, in the median of the rounds.

Both that use PostgreSQL do so with the OPTIONS that docs/databases.md names.

A broker whose URL is not given is left out; PostgreSQL and what is given must answer. Stops what it starts and clears
away what it made, at Ctrl-C as well. Exits with 1 where our claims are slower than ``benchmarks/claims.py`` demands.

    DATABASE_URL=postgres://… IMGMOD_REDIS_URL=redis://… IMGMOD_AMQP_URL=amqp://… python benchmarks/queues
    DATABASE_URL=postgres://… python benchmarks/queues --rounds 1 --records 2000
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

# Instead of this folder: so the workers have it.
sys.path[0] = str(Path(__file__).parents[2])
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.queues.settings"

if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
    sys.exit("DATABASE_URL must name a database of a PostgreSQL server.")

from benchmarks.claims import LIMITS, MIN_A_SECOND, figures, scratch_database
from benchmarks.queues.peers import Celery, DjangoTasksDb, Peer, rate
from benchmarks.queues.servers import describe_postgresql, describe_rabbitmq, describe_redis

PACKAGES = ("Django", "django-tasks-db", "celery", "psycopg", "redis", "amqp")
# What names the broker, what says which it is, and the workers: pool and prefetch multiplier.
BROKERS = {
    "Redis": ("IMGMOD_REDIS_URL", describe_redis, [("prefork", 1), ("prefork", 4), ("solo", 1), ("solo", 4)]),
    "RabbitMQ": ("IMGMOD_AMQP_URL", describe_rabbitmq, [("prefork", 1), ("prefork", 4), ("solo", 4)]),
}
CLAIMED = [f"claimed by {limit}" for limit in LIMITS]
DONE = [f"and done by {limit}" for limit in LIMITS]


def find_peers() -> list[Peer]:
    """Return whom to compare with; say which servers these are. Ends the program where one does not answer."""
    peers: list[Peer] = [DjangoTasksDb()]
    for broker, (variable, describe, workers) in BROKERS.items():
        if not (url := os.environ.get(variable)):
            print(f"Celery with {broker} is left out: {variable} is not given")
            continue
        try:
            print(describe(url))
        except ConnectionError as error:
            sys.exit(f"{variable} is given, but {broker} does not answer there: {error}")
        peers += [Celery(broker, url, pool=pool, prefetch_multiplier=multiplier) for pool, multiplier in workers]
    return peers


def measure(peers: list[Peer], processes: int, records: int) -> dict[str, float]:
    """One round: return all rates by name, each also said as soon as it is known."""
    rates: dict[str, float] = {}

    def note(name: str, value: float) -> None:
        rates[name] = value
        print(f"  {name:<42}{value:>8,.0f}", flush=True)

    for limit, claimed, done in zip(LIMITS, CLAIMED, DONE, strict=True):
        claimed_rate, done_rate = figures(processes, limit, records)
        note(claimed, claimed_rate)
        note(done, done_rate)
    for peer in peers:
        note(peer.name, rate(peer, processes, records))
    return rates


def print_table(peers: list[Peer], rounds: list[dict[str, float]]) -> None:
    columns = [*CLAIMED, *DONE]

    def median(name: str) -> float:
        return statistics.median(one[name] for one in rounds)

    def row(name: str, rate: str, cells: list[str]) -> None:
        print(f"{name:<36}{rate:>8}" + "".join(f"{cell:>17}" for cell in cells))

    row("", "a second", columns)
    row("django-imgmod", "", [f"{median(name):,.0f}" for name in columns])
    for peer in peers:
        ratios = [statistics.median(one[name] / one[peer.name] for one in rounds) for name in columns]
        row(peer.name, f"{median(peer.name):,.0f}", [f"{ratio:.2f}x" for ratio in ratios])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--records", type=int, default=10_000, help="and five times as many where we claim in batches")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"Python {platform.python_version()},", ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    peers = find_peers()
    with scratch_database():
        print(describe_postgresql())
        rounds = []
        for number in range(options.rounds):
            print(f"round {number + 1}, {options.processes} processes, {options.records:,} pieces of work; a second:")
            rounds.append(measure(peers, options.processes, options.records))
    print()
    print_table(peers, rounds)
    medians = {limit: statistics.median(one[f"claimed by {limit}"] for one in rounds) for limit in MIN_A_SECOND}
    return 0 if all(medians[limit] >= least for limit, least in MIN_A_SECOND.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
