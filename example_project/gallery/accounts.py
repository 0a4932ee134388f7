"""The account of what the emulator and the site did together, as ``demo_alibaba`` writes it into the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final, Protocol

from django.core.management.color import Style as Palette
from django.db.models import QuerySet

from django_imgmod.choices import ReceiptOutcome, Status
from django_imgmod.models import CallbackReceipt, ModerationRecord

from .alibaba import require
from .emulation import PURPOSES, Tally
from .reporting import labels_of, style_of
from .staging import Saved
from .tables import Column, line
from .wording import explanation

PICTURES: Final = (
    Column("Picture", 24),
    Column("Labels and confidence", 55),
    Column("Risk", 6),
    Column("Status", 10),
    Column("Answer", 11),
    Column("s", 4, is_number=True),
)
WIRE: Final = (Column("Times", 5, is_number=True), Column("Over the wire", 32), Column("", 60))
WIDTH: Final = sum(column.width for column in PICTURES) + 2 * (len(PICTURES) - 1)


class Output(Protocol):
    def write(self, msg: str) -> object: ...


class Account:
    """Writes headings, paragraphs and tables of one width."""

    def __init__(self, output: Output, palette: Palette) -> None:
        self._output = output
        self._palette = palette

    def heading(self, text: str) -> None:
        self._output.write(f"\n{self._palette.MIGRATE_HEADING(text)}\n{'═' * WIDTH}")

    def paragraph(self, text: str) -> None:
        self._output.write("\n".join(wrap(text, WIDTH, break_on_hyphens=False)))

    def success(self, text: str) -> None:
        self._output.write(f"\n{self._palette.SUCCESS(text)}")

    def environment(self, variables: Mapping[str, str]) -> None:
        """Write the variables that are set for the site, and no secret."""
        self._output.write("The environment of site and worker:")
        for name, value in variables.items():
            self._output.write(f"  {name:<32} {'…' if name.endswith('_SECRET') else value}")

    def pictures(self, saved: Sequence[Saved]) -> None:
        """Write the table of the pictures, with a word on each of which there is more to say than that it passed."""
        self._output.write("")
        self._head(PICTURES)
        for one in saved:
            style = style_of(one.record, self._palette)
            self._output.write(line(PICTURES, list(_cells(one)), {"Risk": style, "Status": style}))
            for remark in _remarks(one.record):
                for text in wrap(remark, WIDTH - 4):
                    self._output.write(f"    {text}")
        self._output.write("─" * WIDTH)
        counts = Counter(one.record.status for one in saved)
        shown = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        self._output.write(f"{len(saved)} pictures: {shown}. Seconds are those from saving to the verdict.")

    def fetched(self, visible_count: int, hidden_count: int) -> None:
        """Write what a stranger can have of the site."""
        self._output.write(
            f"Fetched from the site by a stranger: {visible_count} pictures; the other {hidden_count} answer 404."
        )

    def wire(self, tally: Tally, receipts: QuerySet[CallbackReceipt] | None = None) -> Counter[str]:
        """
        Write what went over the wire since the last time, and return how often each operation was asked for.

        Raises ``UnexpectedOutcome`` where the emulator refused any of it.
        """
        counts, refused = tally.take()
        self._output.write("")
        self._head(WIRE)
        for operation in [*PURPOSES, *sorted(set(counts) - set(PURPOSES))]:
            if counts[operation]:
                self._output.write(line(WIRE, [str(counts[operation]), operation, PURPOSES.get(operation, "")]))
        if receipts:
            self._output.write(
                line(WIRE, [str(len(receipts)), "POST to the site's callback view", _in_words(receipts)])
            )
        self._output.write("─" * WIDTH)
        require(not refused, f"The emulator refused some of these: {dict(refused)}")
        return counts

    def _head(self, columns: Sequence[Column]) -> None:
        self._output.write(self._palette.MIGRATE_LABEL(line(columns, [column.heading for column in columns])))
        self._output.write("─" * WIDTH)


def way_of_answer(record: ModerationRecord) -> str:
    """Return in two or three words how a record came by its status."""
    if record.status == Status.SUPERSEDED:
        return "replaced"
    if record.decisions.exists():
        return "by a person"
    if record.error_code:
        return "failed" if record.submitted_at else "not sent"
    if record.reused_from_id is not None:
        return "same bytes"
    if record.callback_receipts.filter(outcome=ReceiptOutcome.APPLIED).exists():
        return "by callback"
    return "asked for"


def _cells(saved: Saved) -> Iterator[str]:
    record = saved.record
    yield saved.title
    yield labels_of(record)
    yield record.risk_level or "-"
    yield record.status
    yield way_of_answer(record)
    yield "-" if record.verdict_at is None else f"{(record.verdict_at - record.created_at).total_seconds():.1f}"


def _remarks(record: ModerationRecord) -> Iterator[str]:
    if record.status != Status.PASSED or record.reused_from_id is not None:
        yield explanation(record)
    if record.judged_as:
        yield f"judged as: {record.judged_as}"


def _in_words(receipts: QuerySet[CallbackReceipt]) -> str:
    counts = Counter(receipt.outcome for receipt in receipts)
    return "authentic, stored; " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
