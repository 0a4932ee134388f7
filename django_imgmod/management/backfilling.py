"""What ``imgmod_backfill`` says before and after: the plan, and the report."""

from __future__ import annotations

from collections.abc import Iterator

from ..choices import Status
from ..services.backfill import Backfill, Ending, Tally
from ..services.backlog import Need
from ..services.estimates import Plan, calls_a_second, cost_of, seconds_for
from ..services.walk import Walk
from .wording import lasting, one_line

Lines = Iterator[str]


def plan_lines(plan: Plan, walk: Walk, *, rate: float | None, budget: int | None) -> Lines:
    """Say what there is to do and what it will take."""
    provider = walk.watched.provider
    at_most = "" if plan.is_exact else "at most "
    calls = plan.call_count if budget is None else min(plan.call_count, budget)
    yield f'{walk.watched.label}, judged by "{provider}"'
    yield _row("rows with a file", f"{plan.row_count:,}")
    yield _row("recorded already", f"{plan.needs[Need.NOTHING]:,}")
    if plan.needs[Need.RECONCILE]:
        yield _row("of another file", f"{plan.needs[Need.RECONCILE]:,} (imgmod_reconcile sees to them)")
    yield _row("to do", f"{plan.work_count:,}{_kinds(plan)}")
    yield _row("distinct contents", f"{at_most}{plan.content_count:,}{'' if plan.is_exact else ', by file name'}")
    if plan.is_exact:
        yield _row("judged before", f"{plan.known_count:,}, at no cost")
        yield _row("files missing", f"{plan.missing_count:,}")
        yield _row("files unreadable", f"{plan.unreadable_count:,}")
    yield _row("provider calls", f"{at_most}{plan.call_count:,}{_budget(budget, plan.call_count)}")
    yield _row("time", _time(calls, walk, rate, at_most))
    if (cost := cost_of(calls, provider=provider)) is not None:
        yield _row("cost", f"{at_most}{cost}")


def _row(name: str, value: str) -> str:
    return f"  {name:<18} {value}"


def _kinds(plan: Plan) -> str:
    kinds = {Need.WORK: "opened before", Need.RETRY: "to be tried again"}
    words = [f"{plan.needs[need]:,} {word}" for need, word in kinds.items() if plan.needs[need]]
    return f" ({', '.join(words)})" if words else ""


def _budget(budget: int | None, call_count: int) -> str:
    return "" if budget is None or budget >= call_count else f"; the budget ends it after {budget:,}"


def _time(calls: int, walk: Walk, rate: float | None, at_most: str) -> str:
    provider = walk.watched.provider
    seconds = seconds_for(calls, provider=provider, rate=rate, using=walk.record_db)
    if seconds is None:
        return f'unknown: "{provider}" has not judged enough yet. Name a --rate, or try it with --budget 20.'
    allowed = calls_a_second(provider, rate)
    return f"{at_most}{lasting(seconds)}" + (f", {allowed:g} calls a second" if allowed else "")


def report_lines(backfill: Backfill, plan: Plan, walk: Walk, seconds: float, *, is_shadow: bool) -> Lines:
    """Say what became of the images, and what a person should do next."""
    tally = backfill.tally
    statuses = [f"{tally.statuses[status]:,} {status}" for status in Status if tally.statuses[status]]
    of_total = f"{tally.done_count:,} of {plan.work_count:,} images"
    yield f"{of_total} in {lasting(seconds)}: {', '.join(statuses) or 'nothing'}"
    yield _row("judged", f"{tally.judged_count:,}")
    yield _row("reused", f"{tally.reused_count:,} (the same bytes, judged before)")
    yield _row("calls made", f"{tally.call_count:,}{_cost(tally, walk)}")
    yield _row("failed", f"{tally.failed_count:,}")
    for code, failure in sorted(tally.failures.items(), key=lambda item: -item[1].count):
        yield f"    {failure.count:,} {code.label}, such as {failure.file_name!r}: {one_line(failure.message)}"
    yield from _next_steps(backfill, plan, walk, is_shadow=is_shadow)


def _cost(tally: Tally, walk: Walk) -> str:
    cost = cost_of(tally.call_count, provider=walk.watched.provider)
    return "" if cost is None else f" ({cost})"


def _next_steps(backfill: Backfill, plan: Plan, walk: Walk, *, is_shadow: bool) -> Lines:
    label, tally = walk.watched.label, backfill.tally
    statuses = tally.statuses
    steps = {
        f"Run the same command again: it goes on where it stopped{_why(backfill.ending)}.": (
            backfill.ending != Ending.DONE
        ),
        "Let imgmod_worker run: it asks for the answers that come later, and tries again what waits.": (
            statuses[Status.SUBMITTED] + statuses[Status.PENDING]
        ),
        f"Once the causes are mended: imgmod_backfill {label} --retry-errors": tally.failed_count,
        f"{statuses[Status.SUPERSEDED]:,} files are not there any more, such as {tally.gone_name!r}: clear or replace "
        "them.": statuses[Status.SUPERSEDED],
        f"{plan.needs[Need.RECONCILE]:,} rows name another file than their record: imgmod_reconcile {label}": (
            plan.needs[Need.RECONCILE]
        ),
        f"Look at what was found; nothing of it has consequences until imgmod_backfill {label} --enforce": (
            is_shadow and statuses.total()
        ),
        f"{statuses[Status.IN_REVIEW]:,} images wait for a person, in the admin.": (
            statuses[Status.IN_REVIEW] and not is_shadow
        ),
    }
    yield from (f"-> {step}" for step, is_due in steps.items() if is_due)


def _why(ending: Ending) -> str:
    reasons = {
        Ending.BUDGET: " (the budget is used up)",
        Ending.TROUBLE: " (too many failures in a row; mend their cause first)",
    }
    return reasons.get(ending, "")
