"""
A picture is replaced while its provider is asked about it: no old verdict on new bytes.

Each race is a worker that submits the picture, or asks for the answer, and a thread that saves another picture into
the same object at a random moment of that call. Prints the figures; exits with 1 where a race ended wrongly.

Without --database on a PostgreSQL server of its own, which does not wait for the disk.

    python -m tests.faults.races --races 10000
    python -m tests.faults.races --races 10000 --database postgres://postgres@127.0.0.1:5432/races
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from unittest import mock

if __name__ == "__main__":
    import django

    from tests.faults.postgresql import PostgreSQL

    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--races", type=int, default=10_000)
    parser.add_argument("--database", metavar="URL", help="a database server; test_NAME is made there, and deleted")
    options = parser.parse_args()
    with ExitStack() as stack:
        url = options.database or stack.enter_context(PostgreSQL("fsync = off", "synchronous_commit = off")).url
        os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        django.setup()
        servers = stack.pop_all()

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection, connections, models
from django.test.utils import override_settings

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from django_imgmod.services.submission import work
from tests.faults.digesting import DigestProvider, is_verdict_on, new_picture
from tests.hostapp.models import OverwrittenPhoto, Photo

# In seconds.
FIRST_CALL = 0.01
DEADLINE = 60.0
# A new name for each picture, or the new bytes under the old name.
MODELS: tuple[Any, ...] = (Photo, OverwrittenPhoto)
CALLS = ("submit", "fetch")


def racing_settings() -> dict[str, Any]:
    return {
        **settings.IMGMOD,
        "PROVIDERS": {"default": {"BACKEND": "tests.faults.digesting.DigestProvider"}},
        "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher",
    }


@dataclass(kw_only=True, slots=True)
class Race:
    """One object whose picture is replaced during ``call``."""

    model: Any
    call: str
    length: float
    """How long the call takes, in seconds. The save begins somewhere in it."""

    has_begun: threading.Event = field(default_factory=threading.Event)
    ended_at: float | None = None
    saved_at: float = 0
    saving_took: float = 0

    def run(self, pool: ThreadPoolExecutor) -> list[str]:
        """Run the race; return what is wrong in the end."""
        photo = self.model.objects.create(image=ContentFile(new_picture(), name="picture.png"))
        old = self._current(photo).get()
        with mock.patch.multiple(DigestProvider, is_asynchronous=self.call == "fetch", on_call=self._on_call):
            saving = pool.submit(self._replace, photo.pk)
            self._work(old)
            saving.result(DEADLINE)
            for new in self._current(photo):
                self._work(new)
        return list(self._faults(photo, old))

    @property
    def kind(self) -> str:
        assert self.ended_at is not None
        return "during the call" if self.saved_at < self.ended_at else "after the call"

    def _on_call(self, name: str) -> None:
        if name != self.call or self.has_begun.is_set():
            return
        self.has_begun.set()
        time.sleep(self.length)
        self.ended_at = time.perf_counter()

    def _replace(self, pk: int) -> None:
        """In the other thread: save another picture."""
        photo = self.model.objects.get(pk=pk)
        picture = ContentFile(new_picture(), name="picture.png")
        if not self.has_begun.wait(DEADLINE):
            raise TimeoutError(f"The provider was not asked to {self.call}.")
        time.sleep(random.uniform(0, self.length))  # noqa: S311 - no secret
        began_at = time.perf_counter()
        photo.image = picture
        photo.save()
        self.saved_at = time.perf_counter()
        self.saving_took = self.saved_at - began_at

    def _work(self, record: ModerationRecord) -> None:
        """Do all that is due on a record: submit it, then ask for the answer."""
        while work(record.public_id, using="default"):
            pass

    def _current(self, photo: models.Model) -> models.QuerySet[ModerationRecord]:
        return ModerationRecord.objects.for_field(self.model, [str(photo.pk)], "image")

    def _faults(self, photo: Any, old: ModerationRecord) -> Iterator[str]:
        photo.refresh_from_db()
        old.refresh_from_db()
        if old.status != Status.SUPERSEDED:
            yield f"the old record is {old.status}"
        current = list(self._current(photo))
        alive = ModerationRecord.objects.exclude(status=Status.SUPERSEDED).filter(
            content_type=old.content_type, object_id=old.object_id, field_name=old.field_name
        )
        if len(current) != 1 or list(alive) != current:
            yield f"{len(current)} current records, {len(alive)} that are not superseded"
        for record in current:
            if record.file_name != photo.image.name or record.is_open:
                yield f"the current record is {record.status}, of {record.file_name!r}"
            with photo.image.open() as file:
                if not is_verdict_on(file.read(), record):
                    yield "an old verdict on new bytes"


def run_races(count: int) -> tuple[Counter[str], Counter[str]]:
    """Run that many races of every kind in turn; return where the saves ended, and what was wrong."""
    ends: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    kinds = list(product(MODELS, CALLS))
    length = FIRST_CALL
    with ThreadPoolExecutor(1) as pool:
        for number in range(count):
            model, call = kinds[number % len(kinds)]
            race = Race(model=model, call=call, length=length)
            faults.update(race.run(pool))
            ends[race.kind] += 1
            # Twice as long as a save takes here and now: so that this ends during the call as well as after it.
            length = 0.9 * length + 0.1 * (2 * race.saving_took)
        pool.submit(connections.close_all).result()
    return ends, faults


def main() -> int:
    with (
        servers,
        tempfile.TemporaryDirectory() as media,
        override_settings(IMGMOD=racing_settings(), MEDIA_ROOT=media, DEBUG=False),
    ):
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        started = time.perf_counter()
        try:
            ends, faults = run_races(options.races)
        finally:
            seconds = time.perf_counter() - started
            connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    print(f"{connection.vendor}, {ends.total():,} races in {seconds:.0f} s")
    print("saved:", ", ".join(f"{count:,} {end}" for end, count in ends.most_common()))
    print("wrong:", ", ".join(f"{count:,} times {fault}" for fault, count in faults.most_common()) or 0)
    return int(faults.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
