"""Celery for real: RabbitMQ and Redis, worker processes, and a database that both sides see."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.utils import timezone

from django_imgmod.choices import Status
from django_imgmod.dispatch.celery import CeleryDispatcher
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Photo

from .celeryapp import make_app
from .conftest import CELERY_DISPATCHER
from .listeners import closed_port, listening
from .processes import Processes

URL_VARIABLES = {"rabbitmq": "IMGMOD_AMQP_URL", "redis": "IMGMOD_REDIS_URL"}


class Site:
    """What the processes of one site share: broker, queues, database, media folder."""

    def __init__(self, broker_url: str, name: str, processes: Processes, media_root: Path) -> None:
        self.broker_url = broker_url
        self.name = name
        self.app = make_app(broker_url, name)
        self.processes = processes
        self.gate = media_root / "closed"
        self.begun = media_root / "begun"

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        app = ("celery", "-A", "tests.dispatch.celeryapp", "worker")
        options = ("-Q", f"{self.name},{self.name}-sweep", "-n", f"{self.name}@%h", "-c", "1", "-l", "INFO")
        return self.processes.start(*app, *options, "--without-gossip", "--without-mingle", *arguments)

    def message_count(self) -> int:
        with self.app.connection_for_read() as connection:
            return int(
                connection.default_channel.queue_declare(self.name, durable=True, auto_delete=False).message_count
            )

    def wait_for_messages(self, count: int) -> None:
        self.processes.wait_until(lambda: self.message_count() >= count, f"for {count} messages")

    def wait_for(self, *statuses: Status) -> None:
        records = ModerationRecord.objects.order_by("pk").values_list("status", flat=True)
        self.processes.wait_until(lambda: list(records.all()) == list(statuses), f"for {statuses}")

    def clear(self) -> None:
        """Leave nothing at the broker."""
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            for name in (self.name, f"{self.name}-sweep"):
                channel.queue_delete(name)
                channel.exchange_delete(name)
        if self.broker_url.startswith("redis"):
            with redis.from_url(self.broker_url) as client:
                if keys := client.keys(f"*{self.name}*"):
                    client.delete(*keys)


@pytest.fixture(params=URL_VARIABLES)
def site(request, start_processes, use_celery, media_root) -> Iterator[Site]:
    broker_url, name = os.environ[URL_VARIABLES[request.param]], f"imgmod-test-{uuid.uuid4().hex}"
    processes = start_processes(BROKER_URL=broker_url, QUEUE=name, DISPATCHER=CELERY_DISPATCHER)
    site = Site(broker_url, name, processes, media_root)
    use_celery(site.app)
    yield site
    processes.kill_all()
    site.clear()


def test_save_wakes_the_worker(site, picture, caplog):
    worker = site.start_worker()
    for number in range(3):
        Photo.objects.create(image=picture(number))
    site.wait_for(*[Status.PASSED] * 3)
    assert caplog.messages == []
    worker.terminate()
    assert worker.wait(30) == 0
    assert site.message_count() == 0


def test_message_of_a_worker_that_was_killed_comes_again(site, picture):
    site.gate.touch()
    worker = site.start_worker()
    Photo.objects.create(image=picture())
    site.processes.wait_until(site.begun.exists, "for the worker to begin")
    site.processes.kill(worker)
    # As if the lease had run out.
    ModerationRecord.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    site.gate.unlink()
    site.start_worker()
    site.wait_for(Status.PASSED)
    assert ModerationRecord.objects.get().attempt_count == 2


def test_sweep_finds_what_the_broker_lost(site, picture):
    for number in range(3):
        Photo.objects.create(image=picture(number))
    # Sent is not yet there: nothing may come in after the purge.
    site.wait_for_messages(3)
    with site.app.connection_for_read() as connection:
        assert connection.default_channel.queue_purge(site.name) == 3
    # With its beat, whose sweep is the only message from now on.
    site.start_worker("--beat", "--schedule", str(site.gate.with_name("beat")))
    site.wait_for(*[Status.PASSED] * 3)


def wake(count: int = 1) -> None:
    for _ in range(count):
        CeleryDispatcher().wake(uuid.uuid4(), using="default")


def at_port(url: str, port: int) -> str:
    address = urlsplit(url)
    user_info, at, _ = address.netloc.rpartition("@")
    return address._replace(netloc=f"{user_info}{at}127.0.0.1:{port}").geturl()


def test_broker_that_was_restarted_is_no_outage(site, use_celery, caplog):
    address = urlsplit(site.broker_url)
    with listening((address.hostname, address.port)) as relay:
        use_celery(make_app(at_port(site.broker_url, relay.port), site.name))
        wake()
        site.wait_for_messages(1)
        relay.drop_all()
        # The first may not notice: its bytes are taken by this machine, whoever may read them.
        wake(2)
        # Before the relay closes, with what it has not passed on yet.
        site.wait_for_messages(2)
    assert caplog.messages == []


def test_next_of_several_brokers_is_taken(site, use_celery, caplog):
    use_celery(make_app([at_port(site.broker_url, closed_port()), site.broker_url], site.name))
    wake(2)
    site.wait_for_messages(2)
    assert caplog.messages == []
    assert site.message_count() == 2
