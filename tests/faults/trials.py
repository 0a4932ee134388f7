"""Killing processes, letting others go on, and counting what is wrong afterwards."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from unittest import mock

from django.core.management import call_command
from django.test import override_settings

from django_imgmod.choices import Status
from django_imgmod.models import (
    CallbackReceipt,
    ModerationRecord,
    ModerationRecordQuerySet,
    ProviderSlot,
    ProviderState,
    ReconcilePass,
)
from django_imgmod.services import claims, feedback, submission
from django_imgmod.services.prepared import Prepared
from tests.hostapp.models import Photo

from .doomed import DoomedProcess, Fate
from .scenarios import (
    POLLED,
    SCENARIOS,
    Scenario,
    Server,
    Violation,
    let_pass,
    repeated_calls,
    upload,
    violations,
    work,
)

# With what hangs on them.
TABLES: Sequence[Any] = (CallbackReceipt, ModerationRecord, ProviderSlot, ProviderState, ReconcilePass, Photo)
# Within that time after the lease has run out somebody else has done the work.
SLACK = timedelta(seconds=1)
# A process that is killed, and one or two that take its work over and are killed as well.
MAX_CHAIN = 3
# Where a lease is waited for in real time.
SHORT_LEASE = timedelta(seconds=1)
AT_ONCE = 6
# In seconds: how long it takes until the first has begun at the latest, and how long until the last is killed.
LONGEST_START = 5.0
LONGEST_LIFE = 0.2
CROWD = Scenario(name="any moment", options=POLLED)
NEVER = 10**9


@dataclass(slots=True)
class Figures:
    """What came of it all."""

    moments: dict[str, int] = field(default_factory=dict)
    """How many there are to be killed at, by scenario."""
    kills: Counter[str] = field(default_factory=Counter)
    """By scenario."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Violations by kind."""
    repeated_calls: int = 0
    most_repeated_calls: float = 0.0
    """For each kill, at the worst."""
    waits: list[float] = field(default_factory=list)
    """Seconds from a kill to the outcome of what the killed process held, in real time."""


class Trials:
    """Kills at the moments of all scenarios, and its figures; ``tell`` is given a line for each violation."""

    def __init__(self, server: Server, draws: random.Random, tell: Callable[[str], object]) -> None:
        self.server = server
        self.draws = draws
        self.tell = tell
        self.figures = Figures()

    def run(self, kills: int) -> None:
        """
        Kill about so many processes, each scenario alike.

        First one at every moment, or at a sample of them; then chains of several, at random.
        """
        for scenario in SCENARIOS:
            self.figures.moments[scenario.name] = self.trial(scenario, [NEVER]).count
        for scenario, number in self._single_kills()[:kills]:
            self.trial(scenario, [number])
        while self.figures.kills.total() < kills:
            scenario = self.draws.choice(SCENARIOS)
            length = self.draws.randint(2, MAX_CHAIN)
            self.trial(scenario, [self.draws.randint(1, self.figures.moments[scenario.name]) for _ in range(length)])

    def _single_kills(self) -> list[tuple[Scenario, int]]:
        """Return all moments; however few are taken from the front, they are of all scenarios alike."""
        moments = self.figures.moments
        shuffled = {name: self.draws.sample(range(1, count + 1), count) for name, count in moments.items()}
        return [
            (scenario, shuffled[scenario.name][turn])
            for turn in range(max(moments.values()))
            for scenario in SCENARIOS
            if turn < moments[scenario.name]
        ]

    def trial(self, scenario: Scenario, numbers: Sequence[int]) -> Fate:
        """Kill one process after the other at the moments of these numbers; return the fate of the first."""
        with self._site(scenario):
            for step in scenario.before:
                step()
            fates = [DoomedProcess(scenario.act, numbers[0]).join()]
            for number in numbers[1:]:
                let_pass(claims.LEASE + SLACK)
                fates.append(DoomedProcess(partial(_go_on, scenario), number).join())
            # What was not held by the dead goes on at once, the rest when the lease has run out. What failed by itself
            # after that is tried again later.
            _go_on(scenario)
            for _ in range(1 + scenario.failure_count):
                let_pass(claims.LEASE + SLACK)
                _go_on(scenario)
            killed_at = [fate.moment for fate in fates if fate.is_killed]
            self._judge(scenario, killed_at)
        return fates[0]

    def wait(self, count: int, slack: timedelta) -> None:
        """Kill processes at any moment until ``count`` leases have been waited for, in real time."""
        longest = (SHORT_LEASE + slack).total_seconds()
        while len(self.figures.waits) < count:
            with _short_lease(), self._site(CROWD):
                upload(*self.draws.choices(["high", "medium", "none"], k=AT_ONCE))
                fates = self._kill_crowd()
                owners = ModerationRecord.objects.exclude(lease_owner="").values_list("pk", "lease_owner")
                killed_at = {pk: fates[owner.split(":")[1]].at for pk, owner in owners}
                ends_at = time.time() + longest
                while _open().exists() and time.time() < ends_at:
                    work()
                    time.sleep(0.05)
                settled = ModerationRecord.objects.filter(pk__in=killed_at).exclude(verdict_at=None)
                waits = [at.timestamp() - killed_at[pk] for pk, at in settled.values_list("pk", "verdict_at")]
                self.figures.waits += waits
                if len(waits) < len(killed_at) or max(waits, default=0) > longest:
                    what = f"{len(killed_at)} records were held by the dead, settled after {waits} seconds"
                    self._complain(Violation("late", what), CROWD.name)
                self._judge(CROWD, [fate.moment for fate in fates.values() if fate.is_killed])

    def _kill_crowd(self) -> dict[str, Fate]:
        """Kill workers that share what is due, each at a moment of its own; return their fates by process id."""
        act = partial(call_command, "imgmod_worker", once=True, batch=1, verbosity=0)
        crowd = [DoomedProcess(act, NEVER) for _ in range(AT_ONCE)]
        ends_at = time.time() + LONGEST_START
        while not ModerationRecord.objects.exclude(lease_owner="").exists() and time.time() < ends_at:
            time.sleep(0.005)
        for process in crowd:
            time.sleep(self.draws.uniform(0, LONGEST_LIFE / AT_ONCE))
            process.kill()
        return {str(process.pid): process.join() for process in crowd}

    @contextmanager
    def _site(self, scenario: Scenario) -> Iterator[None]:
        """A site without any photo, whose provider does as the scenario says."""
        for table in TABLES:
            table.objects.all().delete()
        self.server.new_entries()
        self.server.behave("submit", "ok")
        if scenario.failure_count:
            self.server.behave("submit", "unavailable", count=scenario.failure_count)
        with override_settings(IMGMOD=scenario.settings(self.server.url)):
            yield

    def _judge(self, scenario: Scenario, killed_at: Sequence[str]) -> None:
        entries = self.server.new_entries()
        figures, kills = self.figures, len(killed_at)
        figures.kills[scenario.name] += kills
        repeated = repeated_calls(entries)
        figures.repeated_calls += repeated
        figures.most_repeated_calls = max(figures.most_repeated_calls, repeated / max(kills, 1))
        for violation in violations(entries, kills):
            self._complain(violation, f"{scenario.name}; killed {', '.join(killed_at)}")

    def _complain(self, violation: Violation, where: str) -> None:
        self.figures.wrong[violation.kind] += 1
        self.tell(f"{violation.kind}: {violation.what}; {where}")


def _go_on(scenario: Scenario) -> None:
    work()
    if scenario.again:
        scenario.again()
        work()


def _open() -> ModerationRecordQuerySet:
    return ModerationRecord.objects.filter(status__in=[Status.PENDING, Status.SUBMITTED])


@contextmanager
def _short_lease() -> Iterator[None]:
    with ExitStack() as stack:
        for module in (claims, submission, feedback):
            stack.enter_context(mock.patch.object(module, "LEASE", SHORT_LEASE))
        # Statements are built once, with the lease in them.
        stack.enter_context(mock.patch.object(claims, "_BEGIN", Prepared(claims._begin)))
        yield
