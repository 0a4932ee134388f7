"""The Celery app of a site, as docs/dispatchers.md has it, with queues of its own for each test."""

from __future__ import annotations

import os

from celery import Celery

from django_imgmod.beat import BEAT_SCHEDULE


def make_app(broker_url: str | list[str], name: str) -> Celery:
    app = Celery("tests", broker=broker_url)
    app.conf.update(
        task_routes={"imgmod.work": {"queue": name}, "imgmod.sweep": {"queue": f"{name}-sweep"}},
        # A worker that starts takes over at once what others have not acknowledged. RabbitMQ notices who is gone.
        broker_transport_options={
            "visibility_timeout": 0,
            "unacked_key": f"{name}-unacked",
            "unacked_index_key": f"{name}-unacked-index",
            "unacked_mutex_key": f"{name}-unacked-mutex",
        },
        beat_schedule={"imgmod-sweep": {**BEAT_SCHEDULE["imgmod-sweep"], "schedule": 1.0}},
        worker_enable_remote_control=False,
    )
    app.autodiscover_tasks()
    return app


if "BROKER_URL" in os.environ:
    # The worker's. The tests make their own.
    app = make_app(os.environ["BROKER_URL"], os.environ["QUEUE"])
