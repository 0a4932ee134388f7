"""Celery as a site sets it up that must not lose work, with a queue and keys of its own for each run."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks.queues.tally import count_one


def make_app(broker_url: str, name: str, prefetch_multiplier: int) -> Celery:
    app = Celery("queues", broker=broker_url, set_as_current=False)
    app.conf.update(
        # A message is acknowledged when its work is done, and comes back when a process dies over it.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=prefetch_multiplier,
        broker_connection_retry_on_startup=False,
        control_exchange=f"{name}-control",
        event_exchange=f"{name}-events",
        broker_transport_options={"global_keyprefix": f"{name}:"} if broker_url.startswith("redis") else {},
    )
    app.task(name="count_one")(count_one)
    return app


if "BROKER_URL" in os.environ:
    # The worker's. The benchmark makes its own.
    app = make_app(os.environ["BROKER_URL"], os.environ["QUEUE"], int(os.environ["PREFETCH_MULTIPLIER"]))
