"""What ``imgmod_status`` says: what is wrong and what to do about it, for people and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..choices import FeedbackStatus, ReceiptOutcome
from ..services.status import ProviderReport, Snapshot, Tally
from .diagnosis import OVERDUE
from .wording import age_text, one_line

WIDTH: Final = 79
GAP: Final = "  "
MESSAGE_WIDTH: Final = 200
# What the command fails for once it was given a limit: a limit that is exceeded, and an alarm.
_FAILURES: Final = frozenset({"no_verdict", "undecided_too_old", "in_review_too_old"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that needs a person, and what to do."""

    code: str
    text: str
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How old things may be before the command fails; None: as old as they like."""

    undecided: timedelta | None = None
    in_review: timedelta | None = None

    @property
    def are_set(self) -> bool:
        return self.undecided is not None or self.in_review is not None


def problems_of(snapshot: Snapshot, limits: Limits) -> list[Problem]:
    """Return what is wrong, the gravest first."""
    return [
        *(problem for provider in snapshot.providers for problem in _of_provider(provider, snapshot.taken_at)),
        *_of_ages(snapshot, limits),
        *_of_feedback(snapshot),
        *_of_callbacks(snapshot),
    ]


def failures_of(problems: Sequence[Problem], limits: Limits) -> list[Problem]:
    """Return those that the command fails for: none unless it was given a limit."""
    return [problem for problem in problems if problem.code in _FAILURES] if limits.are_set else []


def _of_provider(provider: ProviderReport, now: datetime) -> Iterator[Problem]:
    alias, work, state = provider.alias, provider.workload, provider.state
    waiting = _number(Tally(count=work.waiting_count, is_exact=work.is_exact))
    if not provider.is_configured:
        yield Problem(
            "unknown_provider",
            f'Records wait for "{alias}", which IMGMOD["PROVIDERS"] does not name: {waiting}.',
            "Name it again until they are judged: a record keeps the provider that it was opened with.",
        )
    if not provider.is_closed:
        yield Problem(
            "circuit",
            f'"{alias}" is left alone for a while: {state.failure_count} calls failed in a row. '
            f"{_one_line(state.error_message)}",
            "It is tried again by itself. What the message says about rights or settings has to be mended.",
        )
    if work.is_silent(now):
        usual = "" if work.usual_silence is None else f" (usually {age_text(work.usual_silence)} at most)"
        yield Problem(
            "no_verdict",
            f'No verdict has come from "{alias}" for {age_text(work.silence(now))}{usual}. Waiting: {waiting}.',
            "See that imgmod_worker runs; imgmod_doctor --canary says what fails."
            if provider.is_closed
            else "Its calls fail, as said above: nothing else has to be done.",
        )
    elif provider.is_closed and work.due_since is not None and now - work.due_since > OVERDUE:
        yield Problem(
            "overdue",
            f'Work for "{alias}" piles up. Due: {_number(Tally(count=work.due_count, is_exact=work.is_exact))}, '
            f"the oldest for {age_text(now - work.due_since)}.",
            "Start more workers, or see what keeps them busy.",
        )


def _of_ages(snapshot: Snapshot, limits: Limits) -> Iterator[Problem]:
    ages = (
        ("undecided", "waits for a verdict", snapshot.oldest_undecided_at, limits.undecided),
        ("in_review", "waits for a person", snapshot.oldest_in_review_at, limits.in_review),
    )
    mends = {
        "undecided": "See that imgmod_worker runs; imgmod_doctor says what is wrong.",
        "in_review": "Somebody has to look at the review queue in the admin.",
    }
    for subject, what, oldest_at, limit in ages:
        if limit is not None and oldest_at is not None and snapshot.taken_at - oldest_at > limit:
            age = age_text(snapshot.taken_at - oldest_at)
            text = f"The oldest record that {what} has waited for {age}, longer than {age_text(limit)}."
            yield Problem(f"{subject}_too_old", text, mends[subject])


def _of_feedback(snapshot: Snapshot) -> Iterator[Problem]:
    if count := snapshot.failing_feedback_count:
        yield Problem(
            "feedback",
            f"Decisions that could not be told back to the provider yet: {count}.",
            "It is tried again by itself; the rows of Feedback hold the errors.",
        )


def _of_callbacks(snapshot: Snapshot) -> Iterator[Problem]:
    if count := snapshot.callbacks[ReceiptOutcome.FAILED].count:
        yield Problem(
            "callbacks_failed",
            f"Callbacks that could not be processed: {count}.",
            "Mend what their error messages say, then replay them with imgmod_callbacks.",
        )
    oldest_at = snapshot.callbacks[ReceiptOutcome.RECEIVED].oldest_at
    if oldest_at is not None and snapshot.taken_at - oldest_at > OVERDUE:
        yield Problem(
            "callbacks_waiting",
            f"A callback was stored {age_text(snapshot.taken_at - oldest_at)} ago and is not processed yet.",
            "See that imgmod_worker runs, or replay it with imgmod_callbacks.",
        )


def as_text(snapshot: Snapshot, problems: Sequence[Problem]) -> Iterator[str]:
    """Yield the lines for people; none is longer than a terminal is wide."""
    yield _headline(len(problems))
    for problem in problems:
        yield from textwrap.wrap(problem.text, WIDTH, initial_indent="- ", subsequent_indent="  ")
        yield from textwrap.wrap(problem.mend, WIDTH, initial_indent="  -> ", subsequent_indent="     ")
    yield ""
    yield from _table(
        ("status", "records", "oldest"),
        (
            (status.value, _number(tally), _age(tally.oldest_at, snapshot.taken_at))
            for status, tally in snapshot.records.items()
        ),
        word_columns=1,
    )
    yield ""
    yield from _table(
        ("provider", "circuit", "waiting", "due", "leased", "oldest", "last verdict"),
        (_provider_row(provider, snapshot.taken_at) for provider in snapshot.providers),
        word_columns=2,
    )
    yield ""
    queued, refused = (_number(snapshot.feedback[key]) for key in (FeedbackStatus.QUEUED, FeedbackStatus.REFUSED))
    yield f"feedback   {queued} queued ({snapshot.failing_feedback_count} failing), {refused} refused"
    received, failed = (_number(snapshot.callbacks[key]) for key in (ReceiptOutcome.RECEIVED, ReceiptOutcome.FAILED))
    yield f"callbacks  {received} not processed yet, {failed} failed"


def as_json(snapshot: Snapshot, problems: Sequence[Problem]) -> dict[str, Any]:
    """Return the same for programs. Times are ISO 8601, ages and durations are seconds, what is unknown is null."""
    now = snapshot.taken_at
    return {
        "taken_at": now.isoformat(),
        "is_well": not problems,
        "problems": [asdict(problem) for problem in problems],
        "oldest_undecided_seconds": _seconds_since(snapshot.oldest_undecided_at, now),
        "oldest_in_review_seconds": _seconds_since(snapshot.oldest_in_review_at, now),
        "records": {status.value: _tally_json(tally) for status, tally in snapshot.records.items()},
        "providers": {provider.alias: _provider_json(provider, now) for provider in snapshot.providers},
        "feedback": {
            **{status.value: _tally_json(tally) for status, tally in snapshot.feedback.items()},
            "failing": {"count": snapshot.failing_feedback_count, "is_exact": True},
        },
        "callbacks": {outcome.value: _tally_json(tally) for outcome, tally in snapshot.callbacks.items()},
    }


def _provider_json(provider: ProviderReport, now: datetime) -> dict[str, Any]:
    work, state = provider.workload, provider.state
    return {
        "is_configured": provider.is_configured,
        "circuit": state.circuit,
        "failure_count": state.failure_count,
        "retry_at": _iso(state.retry_at),
        "error_code": state.error_code,
        "error_message": state.error_message,
        "waiting_count": work.waiting_count,
        "due_count": work.due_count,
        "leased_count": work.leased_count,
        "is_exact": work.is_exact,
        "oldest_seconds": _seconds_since(work.waiting_since, now),
        "last_verdict_at": _iso(work.last_verdict_at),
        "silence_seconds": _seconds(work.silence(now)),
        "usual_silence_seconds": None if work.usual_silence is None else _seconds(work.usual_silence),
        "alarm_after_seconds": _seconds(work.patience),
        "is_alarming": work.is_silent(now),
        "alarmed_at": _iso(state.alarmed_at),
    }


def _tally_json(tally: Tally) -> dict[str, Any]:
    return {"count": tally.count, "is_exact": tally.is_exact}


def _seconds_since(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else _seconds(now - moment)


def _seconds(length: timedelta) -> float:
    return round(length.total_seconds(), 3)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _headline(problem_count: int) -> str:
    if not problem_count:
        return "All well."
    return "1 thing needs you:" if problem_count == 1 else f"{problem_count} things need you:"


def _provider_row(provider: ProviderReport, now: datetime) -> tuple[str, ...]:
    work = provider.workload
    counts = (work.waiting_count, work.due_count, work.leased_count)
    return (
        provider.alias,
        provider.state.circuit,
        *(_number(Tally(count=count, is_exact=work.is_exact)) for count in counts),
        _age(work.waiting_since, now),
        _age(work.last_verdict_at, now, " ago"),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, word_columns: int) -> Iterator[str]:
    """Align the columns: the first ones, which are words, to the left. The very first gives way where all are wide."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[0] = min(widths[0], WIDTH - sum(width + len(GAP) for width in widths[1:]))
    for first, *others in lines:
        cells = [
            cell.ljust(width) if position < word_columns else cell.rjust(width)
            for position, (cell, width) in enumerate(zip([_cut(first, widths[0]), *others], widths, strict=True))
        ]
        yield GAP.join(cells).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _number(tally: Tally) -> str:
    return f"{tally.count:,}" if tally.is_exact else f"{tally.count:,}+"


def _age(moment: datetime | None, now: datetime, suffix: str = "") -> str:
    return "-" if moment is None else f"{age_text(now - moment)}{suffix}"


def _one_line(message: str) -> str:
    """Cut a provider's message short, and take out whatever could write elsewhere than on its line of a terminal."""
    return textwrap.shorten(one_line(message), MESSAGE_WIDTH, placeholder=" …")
