"""
The site as it is judged by Alibaba Cloud, or by the emulator in its place: environment, processes and pictures.

Nothing but the environment differs from the site of ``make demo``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import requests
from django.conf import settings

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord

from .emulation import KEYS
from .exhibits import exhibits
from .models import Photo, folder_of
from .pictures import SAMPLES, Sample, smaller_sticker
from .processes import PATIENCE, Process, wait_until
from .staging import FOLDER, Saved

IMAGE_MODERATION_2: Final = "django_imgmod.providers.alibaba.ImageModeration2Provider"
GREEN: Final = "django_imgmod.providers.alibaba.GreenProvider"
SWEEP: Final = "django_imgmod.dispatch.SweepDispatcher"

STICKER: Final = "Sticker on a wall"
COPY_BEFORE: Final = Sample(
    title="The sticker, 400 pixels", file_name="sticker-400.jpg", content=lambda: smaller_sticker(400, quality=85)
)
COPY_AFTER: Final = Sample(
    title="The sticker, 300 pixels", file_name="sticker-300.jpg", content=lambda: smaller_sticker(300, quality=70)
)
# All of them photos: the other models have providers of their own.
PHOTOS: Final = tuple(replace(sample, model=Photo) for sample in SAMPLES)

# What is not named has passed.
EXPECTED: Final[Mapping[str, Status]] = {
    STICKER: Status.IN_REVIEW,
    COPY_BEFORE.title: Status.IN_REVIEW,
    COPY_AFTER.title: Status.BLOCKED,
    "Test card, high risk": Status.BLOCKED,
    "Test card, medium risk": Status.IN_REVIEW,
    "Broken off half-way": Status.IN_REVIEW,
    "Not a picture at all": Status.IN_REVIEW,
    "Coffee, out of focus": Status.SUPERSEDED,
}

_OPEN: Final = (Status.PENDING, Status.SUBMITTED)
_SECONDS: Final = 10.0


class UnexpectedOutcome(Exception):
    """Something else has come about than what had to; says what."""


@dataclass(frozen=True, slots=True)
class Site:
    """The site and its worker while they run."""

    address: str
    """With a slash at its end."""

    processes: tuple[Process, ...]

    def wait_for_verdicts(self, saved: Sequence[Saved], *, seconds: float = PATIENCE) -> None:
        """Wait until all of them are settled, and read them anew. Raises ``UnexpectedOutcome``, ``ProcessFailed``."""
        records = ModerationRecord.objects.filter(pk__in=[one.record.pk for one in saved])
        wait_until(lambda: not records.filter(status__in=_OPEN).exists(), self.processes, seconds=seconds)
        for one in saved:
            one.record.refresh_from_db()
        waiting = [one for one in saved if one.record.status in _OPEN]
        if waiting:
            lines = [f"{one.title}: {one.record.status} {one.record.error_message}".rstrip() for one in waiting]
            raise UnexpectedOutcome(f"These have no verdict after {seconds:g} seconds:\n    " + "\n    ".join(lines))

    def wait_for(self, is_done: Callable[[], bool], what: str) -> None:
        """Wait for something else. Raises ``UnexpectedOutcome``, ``ProcessFailed``."""
        if not wait_until(is_done, self.processes):
            raise UnexpectedOutcome(f"{PATIENCE:g} seconds were not enough: {what}")

    def watch(self) -> None:
        """Go on until Ctrl-C. Raises ``ProcessFailed`` where a process ends before that."""
        while True:
            wait_until(lambda: False, self.processes, seconds=_SECONDS)

    def count_fetchable(self) -> tuple[int, int]:
        """
        Fetch every picture of the demo as a stranger would; return how many there are to be had, and how many not.

        Raises ``UnexpectedOutcome`` where that is not what their records say.
        """
        counts = [0, 0]
        session = requests.Session()
        # Nobody between this site and this process.
        session.trust_env = False
        for exhibit in exhibits(Photo.objects.filter(image__startswith=f"{folder_of(Photo)}/{FOLDER}/")):
            url = urljoin(self.address, exhibit.picture.image.url)
            status = session.get(url, timeout=_SECONDS).status_code
            if status != (200 if exhibit.is_visible else 404):
                raise UnexpectedOutcome(
                    f'The file of "{exhibit.picture}", {exhibit.status}, is answered with {status}.'
                )
            counts[not exhibit.is_visible] += 1
        return counts[0], counts[1]


def variables_for(backend: str, emulator: str, **options: object) -> dict[str, str]:
    """Return the variables that have a site judged by a provider at the emulator's address."""
    given = dumps({"endpoint": f"http://{emulator}", **options})
    return {"IMGMOD_BACKEND": backend, **KEYS, "IMGMOD_OPTIONS": given}


@contextmanager
def running_site(variables: Mapping[str, str], *, port: int, has_callbacks: bool = False) -> Iterator[Site]:
    """Run the site, on a free port where it is 0, and its worker, whom the callbacks' address is told."""
    logs = Path(settings.VAR)
    # A real account's are none of the emulator's business.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ALIBABA_CLOUD_", "IMGMOD_"))}
    environment = {**own, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "IMGMOD_DISPATCHER": SWEEP, **variables}
    with Process(["runserver", "--noreload", f"127.0.0.1:{port}"], environment, logs / "site.log") as web:
        address = web.wait_for_line(r"http://127\.0\.0\.1:\d+/")[0]
        if has_callbacks:
            environment["IMGMOD_CALLBACK_BASE_URL"] = address
        arguments = ["imgmod_worker", "--interval", "0.2", "--verbosity", "0"]
        with Process(arguments, environment, logs / "worker.log") as worker:
            yield Site(address, (web, worker))


def check_outcomes(saved: Iterable[Saved], expected: Mapping[str, Status] = EXPECTED) -> None:
    """Raise ``UnexpectedOutcome``, naming each picture of which something else has become than was expected."""
    wrong = [
        f"{one.title}: {one.record.status} ({one.record.reason}), not {right}"
        for one in saved
        if one.record.status != (right := expected.get(one.title, Status.PASSED))
    ]
    if wrong:
        raise UnexpectedOutcome("Something else was to become of these:\n    " + "\n    ".join(wrong))


def require(is_so: bool, otherwise: str) -> None:
    """Raise ``UnexpectedOutcome`` with these words where something is not so."""
    if not is_so:
        raise UnexpectedOutcome(otherwise)
