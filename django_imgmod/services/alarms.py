"""Noticing that verdicts stay away: once when it begins, once when it is over, whichever process sees it first."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import router
from django.utils import timezone

from ..clock import DatabaseNow
from ..models import ProviderState
from .provider_states import ensure_state, states_of
from .waiting import Workload, read_workloads

logger = logging.getLogger("django_imgmod")


def check_alarms() -> list[str]:
    """
    Begin or end the alarm of each provider; return the aliases of those whose verdicts stay away.

    To be called now and then, by as many processes as like: one conditional UPDATE decides who logs. Costs what
    ``read_workloads`` costs, and one statement more while nothing changes. Raises what the databases raise.
    """
    now = timezone.now()
    states = ProviderState.objects.using(router.db_for_write(ProviderState)).filter(alarmed_at__isnull=False)
    alarmed = dict(states.values_list("provider", "alarmed_at"))
    silent = {provider: workload for provider, workload in read_workloads().items() if workload.is_silent(now)}
    for provider, workload in silent.items():
        if provider not in alarmed:
            _begin(workload)
    for provider, alarmed_at in alarmed.items():
        if provider not in silent:
            _end(provider, alarmed_at)
    return list(silent)


def _begin(workload: Workload) -> None:
    ensure_state(workload.provider)
    if states_of(workload.provider).filter(alarmed_at__isnull=True).update(alarmed_at=DatabaseNow()):
        logger.error(
            "alarm=no_verdict provider=%s waiting=%d since=%s last_verdict=%s usual=%s",
            workload.provider,
            workload.waiting_count,
            _text(workload.waiting_since),
            _text(workload.last_verdict_at),
            "-" if workload.usual_silence is None else f"{workload.usual_silence.total_seconds():.1f}",
        )


def _end(provider: str, alarmed_at: datetime | None) -> None:
    if states_of(provider).filter(alarmed_at__isnull=False).update(alarmed_at=None):
        logger.info("alarm=over provider=%s since=%s", provider, _text(alarmed_at))


def _text(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else "-"
