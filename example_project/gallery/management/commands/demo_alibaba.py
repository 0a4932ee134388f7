from __future__ import annotations

import logging
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from django_imgmod.choices import FeedbackStatus, Outcome
from django_imgmod.conf import imgmod_settings
from django_imgmod.emulator import Emulator, Judge, serve
from django_imgmod.models import CallbackReceipt, Feedback
from django_imgmod.services.decisions import decide
from example_project.gallery.accounts import Account
from example_project.gallery.alibaba import (
    COPY_AFTER,
    COPY_BEFORE,
    GREEN,
    IMAGE_MODERATION_2,
    PHOTOS,
    STICKER,
    SWEEP,
    Site,
    UnexpectedOutcome,
    check_outcomes,
    require,
    running_site,
    variables_for,
)
from example_project.gallery.emulation import CREDENTIALS, UID, Tally
from example_project.gallery.pictures import Sample
from example_project.gallery.processes import ProcessFailed, interrupted_by_signals
from example_project.gallery.reporting import addresses_of
from example_project.gallery.staging import Saved, make_users, remove_pictures, require_debug, save_pictures

SCENES: Final = ["porn", "terrorism", "ad", "qrcode"]
COMMENT: Final = "advertising: the code leads to a prize draw"
INTERRUPTED: Final = 130
# In seconds: all callbacks are under way by then.
TIME_TO_SEND: Final = 30.0


class Command(BaseCommand):
    help = "Have the example site judged through the emulator of Alibaba Cloud, by both generations. May be repeated."

    is_serving = False
    """Whether all acts are over."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=0, help="Where the site is; a free one if not given.")
        parser.add_argument("--serve", action="store_true", help="Go on with site and emulator until Ctrl-C.")

    def handle(self, *args: Any, **options: Any) -> None:
        self._require_a_playground()
        # The tables say the same, more clearly. Site and worker have logs of their own.
        logging.getLogger("django_imgmod").setLevel(logging.CRITICAL)
        self.account = Account(self.stdout, self.style)
        try:
            with interrupted_by_signals():
                self._play(options["port"], is_to_be_served=options["serve"])
        except KeyboardInterrupt:
            if not self.is_serving:
                raise CommandError("Stopped before the end.", returncode=INTERRUPTED) from None
            self.stdout.write("\nStopped.")
        except (ProcessFailed, UnexpectedOutcome, LookupError) as error:
            raise CommandError(str(error)) from error

    def _require_a_playground(self) -> None:
        require_debug()
        # This process saves, decides and looks. The worker judges, in another environment.
        if imgmod_settings.dispatcher != SWEEP:
            raise CommandError(f'Run it with "make demo-alibaba", or with IMGMOD_DISPATCHER={SWEEP}.')

    def _play(self, port: int, *, is_to_be_served: bool) -> None:
        started = time.monotonic()
        with ExitStack() as stack:
            judge = Judge()
            # A question waits for the answer: the next time to ask would be half a minute later.
            emulator = stack.enter_context(Emulator(CREDENTIALS, uid=UID, judge=judge, processing_answers=0))
            tally = Tally(emulator)
            address = stack.enter_context(serve(tally))
            self._introduce(address, judge)
            editor = make_users()

            self._judge_with_callbacks(editor, emulator, tally, address, port)
            variables = variables_for(GREEN, address, scenes=SCENES)
            self.account.heading("Act 2: the same pictures by v1, which is asked for its answers")
            self.account.environment(variables)
            site = stack.enter_context(running_site(variables, port=port))
            learnt = self._judge_with_polling(editor, site, tally)
            self._tell_a_decision(learnt, site, tally)
            self._judge_what_was_learnt(editor, learnt, site, tally)

            seconds = time.monotonic() - started
            self.account.success(f"Everything came out as it had to, in {seconds:.0f} seconds.")
            self._print_next_steps()
            if is_to_be_served:
                self.is_serving = True
                self._print_addresses(site)
                site.watch()

    def _introduce(self, address: str, judge: Judge) -> None:
        self.account.heading("Alibaba Cloud's image moderation, without an account")
        self.account.paragraph(
            f"The emulator at http://{address} speaks both generations and checks every signature. What it sees in a "
            f"picture it says in the provider's words; it looks for {', '.join(judge.looks_for)}. The site and its "
            "worker are two processes beside it, which know of it by their environment alone. Nothing leaves this "
            "machine."
        )
        if not judge.has_engine:
            raise CommandError('The engine is not installed: pip install "django-imgmod[example]"')

    def _save(self, samples: Sequence[Sample], editor: User) -> list[Saved]:
        what = f"{len(samples)} pictures" if len(samples) > 1 else "a picture"
        self.stdout.write(f"\nSaving {what}, and waiting for what the worker brings about …")
        # At one go, so that the worker finds all of them at once.
        with transaction.atomic():
            return list(save_pictures(samples, editor))

    def _judge_with_callbacks(self, editor: User, emulator: Emulator, tally: Tally, address: str, port: int) -> None:
        self.account.heading("Act 1: Image Moderation 2.0, which calls the site back")
        variables = variables_for(IMAGE_MODERATION_2, address, uid=UID)
        remove_pictures()
        started_at = timezone.now()
        with running_site(variables, port=port, has_callbacks=True) as site:
            self.account.environment({**variables, "IMGMOD_CALLBACK_BASE_URL": site.address})
            saved = self._save(PHOTOS, editor)
            site.wait_for_verdicts(saved)
            require(emulator.sender.wait(TIME_TO_SEND), "The emulator has not sent all callbacks.")
            self.account.pictures(saved)
            check_outcomes(saved)
            self.account.fetched(*site.count_fetchable())
        receipts = CallbackReceipt.objects.filter(received_at__gte=started_at)
        counts = self.account.wire(tally, receipts)
        asked, told = counts["ImageAsyncModeration"], len(receipts)
        require(0 < asked == told, f"Of {asked} pictures that the emulator was to judge, {told} callbacks are stored.")
        # A callback that brings no verdict is followed by a question.
        failed_count = sum(one.record.error_code != "" for one in saved)
        question_count = counts["DescribeImageModerationResult"]
        require(question_count <= failed_count, f"{question_count} answers had to be asked for.")

    def _judge_with_polling(self, editor: User, site: Site, tally: Tally) -> list[Saved]:
        remove_pictures()
        started_at = timezone.now()
        saved = self._save([*PHOTOS, COPY_BEFORE], editor)
        site.wait_for_verdicts(saved)
        self.account.pictures(saved)
        check_outcomes(saved)
        self.account.fetched(*site.count_fetchable())
        receipts = CallbackReceipt.objects.filter(received_at__gte=started_at)
        counts = self.account.wire(tally, receipts)
        require(not receipts, "The site was called back, although it had told nobody its address.")
        require(counts["ImageAsyncScanResults"] > 0, "No answer was asked for.")
        require(0 < counts["ImageAsyncScan"] < len(saved) / 2, "Requests did not hold several pictures each.")
        return [one for one in saved if one.title in (STICKER, COPY_BEFORE.title)]

    def _tell_a_decision(self, learnt: list[Saved], site: Site, tally: Tally) -> None:
        self.account.heading("Act 3: a moderator decides, and the provider is told")
        record = learnt[0].record
        decision = decide(record, Outcome.BLOCK, decided_by=User.objects.get(username="moderator"), comment=COMMENT)
        self.account.paragraph(
            f'"{STICKER}" was held for a person. The moderator blocks it ("{COMMENT}"). For ten seconds that can be '
            "taken back; then the worker sends it …"
        )
        queued = Feedback.objects.filter(decision=decision, status=FeedbackStatus.QUEUED)
        site.wait_for(lambda: not queued.exists(), "the decision was not told to the provider.")
        feedback = Feedback.objects.get(decision=decision)
        self.account.paragraph(f"Feedback: {feedback.status}. {feedback.error_message}".rstrip())
        require(feedback.status == FeedbackStatus.ACCEPTED, "The provider did not take the decision.")
        counts = self.account.wire(tally)
        require(counts["ImageScanFeedback"] == 1, "The decision was to be told once.")

    def _judge_what_was_learnt(self, editor: User, learnt: list[Saved], site: Site, tally: Tally) -> None:
        self.account.heading("Act 4: the next upload of that picture")
        self.account.paragraph(
            "Somebody uploads the sticker again, scaled and compressed anew: other bytes, so the site knows nothing of "
            "them. Without the decision such a copy was held for a person (400 pixels, act 2)."
        )
        saved = self._save([COPY_AFTER], editor)
        site.wait_for_verdicts(saved)
        for one in learnt:
            one.record.refresh_from_db()
        self.account.pictures([*learnt, *saved])
        check_outcomes(saved)
        require(saved[0].record.reused_from is None, "The site knew the picture, and did not ask.")
        self.account.fetched(*site.count_fetchable())
        self.account.wire(tally)

    def _print_next_steps(self) -> None:
        command = " ".join(map(os.path.relpath, (sys.executable, sys.argv[0])))
        self.account.heading("With an account of your own: three variables")
        for text in (
            f"export IMGMOD_BACKEND={IMAGE_MODERATION_2}",
            "export ALIBABA_CLOUD_ACCESS_KEY_ID=…",
            "export ALIBABA_CLOUD_ACCESS_KEY_SECRET=…",
            f"{command} migrate",
            f"{command} imgmod_doctor   # costs nothing, and says what is missing",
            f"{command} runserver",
            f"{command} imgmod_worker   # beside it: asks for the answers",
        ):
            self.stdout.write(f"  {text}")
        self.account.paragraph(
            'A site that can be reached is called back with IMGMOD_OPTIONS=\'{"uid": "…"}\' and '
            "IMGMOD_CALLBACK_BASE_URL=https://… besides. All of it: docs/alibaba.md. Nothing here has been tried "
            "against the real service."
        )

    def _print_addresses(self, site: Site) -> None:
        self.account.heading("The site goes on, judged by v1 as in acts 2 to 4, until Ctrl-C")
        for text in addresses_of(site.address):
            self.stdout.write(f"  {text}")
        self.stdout.write("  An upload is judged within some ten seconds: reload the gallery.")
