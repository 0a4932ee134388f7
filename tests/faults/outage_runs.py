"""One way of failing after the other: what a provider does, and what becomes of the submissions. See ``outages``."""

from __future__ import annotations

import io
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.files.base import ContentFile
from django.db.models import F
from django.test.utils import override_settings
from PIL import Image

from django_imgmod.choices import RiskLevel, Status
from django_imgmod.models import CallbackReceipt, Feedback, ModerationRecord, ProviderSlot, ProviderState
from django_imgmod.providers import providers
from django_imgmod.results import Callback
from django_imgmod.services.callbacks import apply_receipt, receive_callback
from django_imgmod.services.sweep import sweep
from tests.hostapp.models import Photo
from tests.timetravel import fast_forward, seconds_to_next

from .server import FaultServer, level_of

STATUSES: Final = {RiskLevel.HIGH: Status.BLOCKED, RiskLevel.MEDIUM: Status.IN_REVIEW}
MAX_CALLS: Final = 1.05
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
# In simulated seconds, after the server has come back.
PATIENCE: Final = 7 * DAY
TRIES_OF_CALLBACK: Final = 3


@dataclass
class Run:
    """One row: a site, its worker and a server that fails."""

    name: str
    server: FaultServer
    submissions: int
    seed: int
    passed_seconds: float = 0.0
    tries: dict[str, int] = field(default_factory=dict)

    def behave(self, name: str, *, path: str = "submit", **options: Any) -> None:
        seed = {"seed": self.seed} if "probability" in options else {}
        self.server.behave(path, name, **seed, **options)

    def save(self) -> None:
        """Save so many pictures, all different."""
        draws = random.Random(self.seed)  # noqa: S311 - no secret
        for number in range(self.submissions):
            output = io.BytesIO()
            image = Image.new("RGB", (8, 8))
            image.putdata([(draws.randrange(256), number % 256, number // 256) for _ in range(64)])
            image.save(output, "PNG")
            Photo.objects.create(image=ContentFile(output.getvalue(), name="picture.png"))

    def work(self, *, lasting: float = PATIENCE, step: float = 0.0) -> None:
        """Work until all is settled, or for so many seconds; where all wait, go on ``step`` seconds later at least."""
        ends_at = self.passed_seconds + lasting
        while self.passed_seconds < ends_at:
            if list(sweep(limit=50, patience=2)):
                continue
            pause = seconds_to_next()
            if pause is None:
                return
            self.let_pass(min(max(pause + 0.01, step), ends_at - self.passed_seconds))

    def let_pass(self, seconds: float) -> None:
        fast_forward(seconds)
        # The server counts in real time.
        ProviderSlot.objects.update(free_at=F("free_at") + timedelta(seconds=seconds))
        self.passed_seconds += seconds


@dataclass(frozen=True)
class Row:
    """What came of a run; ``faults`` says what is wrong with it."""

    name: str
    submissions: int
    recovered: int
    calls: int
    spoilt: int
    polls: int
    violations: int
    passed_seconds: float
    seconds: float

    @property
    def calls_each(self) -> float:
        return (self.calls - self.spoilt) / self.submissions

    @property
    def faults(self) -> list[str]:
        return [
            fault
            for fault, is_so in {
                f"{self.submissions - self.recovered} not recovered": self.recovered != self.submissions,
                f"{self.calls_each:.3f} calls a submission": self.calls_each > MAX_CALLS,
                f"{self.violations} calls over the rate": self.violations > 0,
            }.items()
            if is_so
        ]

    def __str__(self) -> str:
        return (
            f"{self.name:<28} {self.submissions:>11} {self.recovered:>9} {self.calls:>6} {self.spoilt:>6} "
            f"{self.calls_each:>9.3f} {self.polls:>6} {self.violations:>8} {self.passed_seconds / HOUR:>10.2f} "
            f"{self.seconds:>8.1f}  {', '.join(self.faults) or 'ok'}"
        )


HEADER: Final = (
    f"{'provider':<28} {'submissions':>11} {'recovered':>9} {'calls':>6} {'spoilt':>6} {'calls/sub':>9} {'polls':>6} "
    f"{'too fast':>8} {'sim. hours':>10} {'seconds':>8}"
)


def work_well(run: Run) -> None:
    run.save()
    run.work()


def refuse(run: Run, *, lasting: float, step: float = 0.0) -> None:
    run.server.refuse()
    run.save()
    run.work(lasting=lasting, step=step)
    run.server.listen()
    run.work()


def strike(name: str, **options: Any) -> Callable[[Run], None]:
    """Return what lets a behaviour strike submissions from their begin."""

    def fail(run: Run) -> None:
        run.behave(name, **options)
        run.save()
        run.work()

    return fail


def be_away_after_accepting(run: Run) -> None:
    """
    All is accepted, then this site is away for three days, and each callback is tried three times meanwhile.

    A third comes while the site is still there, a third twice; what fails three times is never sent again.
    """
    run.save()
    run.work(lasting=60)
    for number, record in enumerate(ModerationRecord.objects.filter(status=Status.SUBMITTED).order_by("pk")):
        for _ in range((0, 1, 2)[number % TRIES_OF_CALLBACK]):
            verdict = providers["default"].fetch(record.reference)
            assert verdict is not None
            callback = Callback(data_id=str(record.public_id), verdict=verdict)
            apply_receipt(receive_callback("default", "{}", callback), callback)
    run.let_pass(3 * DAY)
    run.work()


def be_down_after_accepting(run: Run) -> None:
    """All is accepted, then the provider is away for three days; back again, it needs a while for what it has."""
    run.save()
    run.work(lasting=20)
    run.server.refuse()
    run.work(lasting=3 * DAY, step=4 * HOUR)
    run.server.behave("result", "pending", count=run.submissions)
    run.server.listen()
    run.work()


ASYNCHRONOUS: Final = {"mode": "async", "poll_after": 30}

# What the provider does, and the OPTIONS with which it is asked.
OUTAGES: Final[dict[str, tuple[Callable[[Run], None], dict[str, Any]]]] = {
    "works": (work_well, {}),
    "refuses for 10 minutes": (lambda run: refuse(run, lasting=600), {}),
    "resets, 30 %": (strike("reset_before", probability=0.3), {}),
    "resets after its work, 30 %": (strike("reset_after", probability=0.3), {}),
    "half answers, 30 %": (strike("half", probability=0.3), {}),
    "30 s stalls, ten": (strike("stall", count=10, seconds=30), {}),
    "500s, 50 %": (strike("error", probability=0.5), {}),
    "throttles, 10 %": (strike("throttle", probability=0.1, headers={"Retry-After": "5"}), {}),
    "throttles without a time": (strike("throttle", probability=0.3), {}),
    "refuses for three days": (lambda run: refuse(run, lasting=3 * DAY, step=4 * HOUR), {}),
    "calls back, we are away": (be_away_after_accepting, ASYNCHRONOUS),
    "away three days, then slow": (be_down_after_accepting, ASYNCHRONOUS),
}


def measure(name: str, *, submissions: int, seed: int, qps: float, **options: Any) -> Row:
    """Let one outage happen on an empty database; return its row of the table."""
    fail, own_options = OUTAGES[name]
    started = time.monotonic()
    with FaultServer() as server, configured(url=server.url, qps=qps, **{**options, **own_options}):
        for path in ("submit", "result"):
            server.behave(path, "throttle", per_second=int(qps))
        run = Run(name, server, submissions, seed)
        fail(run)
        arrived = server.log("submit")
        return Row(
            name=name,
            submissions=submissions,
            recovered=sum(map(is_recovered, ModerationRecord.objects.all())),
            calls=len(arrived),
            spoilt=sum(entry.behaviour != "ok" for entry in arrived),
            polls=len(server.log("result")),
            violations=len(server.violations),
            passed_seconds=run.passed_seconds,
            seconds=time.monotonic() - started,
        )


def is_recovered(record: ModerationRecord) -> bool:
    level = level_of(record.sha256)
    status = STATUSES.get(level, Status.PASSED)
    return (record.status, record.risk_level, record.error_code) == (status, level, "")


@contextmanager
def configured(**options: Any) -> Iterator[None]:
    provider = {"BACKEND": "tests.faults.provider.LoopbackProvider", "OPTIONS": options}
    imgmod = {
        **settings.IMGMOD,
        "PROVIDERS": {"default": provider},
        "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher",
    }
    with tempfile.TemporaryDirectory() as folder, override_settings(IMGMOD=imgmod, MEDIA_ROOT=folder):
        yield


def forget() -> None:
    """Empty the database for the next row."""
    for model in (Photo, Feedback, CallbackReceipt, ModerationRecord, ProviderSlot, ProviderState):
        model._default_manager.all().delete()
