"""Looking at what providers told us, and applying it again."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count, QuerySet
from django.utils import timezone

from ...choices import ReceiptOutcome
from ...models import CallbackReceipt
from ...services.callbacks import UNSETTLED, replay_callback
from ..arguments import add_database, duration

BATCH = 500


class Command(BaseCommand):
    help = (
        "Say what became of the callbacks that providers sent, and of which applying failed. With --replay these are "
        "applied again, from what was stored, and those that still wait as well."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--failed", action="store_true", help="List those that failed, with the error.")
        parser.add_argument("--replay", action="store_true", help="Apply again what failed or still waits.")
        parser.add_argument(
            "--since", type=duration, metavar="AGE", help="Only what came in the last 90s, 10m, 2h, 3d."
        )
        parser.add_argument("--provider", metavar="ALIAS", help="Only those of this provider.")
        add_database(parser, "records")

    def handle(self, *args: Any, **options: Any) -> None:
        receipts = _selected(options["database"], options["provider"], options["since"])
        if options["replay"]:
            self._replay(receipts)
        elif options["failed"]:
            self._list(receipts.filter(outcome=ReceiptOutcome.FAILED).order_by("received_at"))
        else:
            self._count(receipts)

    def _count(self, receipts: QuerySet[CallbackReceipt]) -> None:
        counts = dict(receipts.order_by().values_list("outcome").annotate(Count("pk")))
        for outcome in ReceiptOutcome:
            self.stdout.write(f"{counts.get(outcome, 0):>9,} {outcome.label}")

    def _list(self, receipts: QuerySet[CallbackReceipt]) -> None:
        count = 0
        for receipt in receipts.select_related("record").iterator(BATCH):
            count += 1
            record = receipt.record.public_id if receipt.record else "no record"
            # repr(): it quotes what came from outside, and this is a terminal.
            self.stdout.write(
                f"{receipt.pk} {receipt.received_at:%Y-%m-%d %H:%M:%S} {receipt.provider} {record} "
                f"{receipt.error_message!r}"
            )
        self.stdout.write(self.style.SUCCESS(f"Failed: {count:,}. Mend the cause, then give --replay."))

    def _replay(self, receipts: QuerySet[CallbackReceipt]) -> None:
        became: Counter[str] = Counter()
        # Their keys first: what fails again would otherwise be met again.
        for pk in list(receipts.filter(outcome__in=UNSETTLED).order_by("received_at").values_list("pk", flat=True)):
            receipt = receipts.filter(pk=pk).first()
            if receipt is not None and replay_callback(receipt):
                became[receipt.outcome] += 1
        for outcome, count in became.most_common():
            self.stdout.write(f"{count:>9,} {ReceiptOutcome(outcome).label}")
        self.stdout.write(self.style.SUCCESS(f"Replayed: {became.total():,}."))


def _selected(using: str, provider: str | None, since: timedelta | None) -> QuerySet[CallbackReceipt]:
    receipts = CallbackReceipt.objects.using(using)
    if provider:
        receipts = receipts.filter(provider=provider)
    if since:
        receipts = receipts.filter(received_at__gte=timezone.now() - since)
    return receipts
