"""What a person sees of a backfill: the plan, the progress, the report, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from django_imgmod.choices import ErrorCode, Status
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.management import progress
from django_imgmod.management.commands import imgmod_backfill
from django_imgmod.management.progress import Progress
from django_imgmod.management.wording import lasting
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.registry import WatchedField
from django_imgmod.services.walk import Walk
from tests.hostapp.models import DatedPhoto, Photo

pytestmark = pytest.mark.django_db(databases=["default", "other"])

PHOTO = "hostapp.Photo.image"
DUMMY = "django_imgmod.providers.dummy.DummyProvider"


def run(*args: str, output: StringIO | None = None, **options: Any) -> list[str]:
    output = output or StringIO()
    call_command("imgmod_backfill", *args, stdout=output, **options)
    return output.getvalue().splitlines()


def failing(*args: str, returncode: int = 1, **options: Any) -> tuple[list[str], str]:
    """Return the lines of a run that ends with an error, and the error."""
    output = StringIO()
    with pytest.raises(CommandError) as caught:
        run(*args, output=output, **options)
    assert caught.value.returncode == returncode
    return output.getvalue().splitlines(), str(caught.value)


def row(lines: list[str], name: str) -> str:
    [line] = [line for line in lines if line.startswith(f"  {name} ")]
    return line.removeprefix(f"  {name}").strip()


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


@pytest.fixture
def old(picture) -> Callable[..., list[str]]:
    def write(*numbers: int) -> list[str]:
        storage = Photo._meta.get_field("image").storage
        names = [storage.save("old/photo.png", picture(number)) for number in numbers]
        Photo.objects.bulk_create([Photo(image=name) for name in names])
        return names

    return write


class TestPlan:
    def test_dry_run_says_what_it_takes_and_changes_nothing(self, old, settings):
        settings.IMGMOD = {
            **settings.IMGMOD,
            "PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": {"qps": 4}, "PRICE_PER_1000": "500 EUR"}},
        }
        old(1, 2, 2)
        Photo.objects.create()
        lines = run(PHOTO, "--dry-run", "--rate=2")
        assert lines[0] == 'hostapp.Photo.image, judged by "default"'
        assert row(lines, "rows with a file") == "3"
        assert row(lines, "recorded already") == "0"
        assert row(lines, "to do") == "3"
        assert row(lines, "distinct contents") == "at most 3, by file name"
        assert row(lines, "provider calls") == "at most 3"
        assert row(lines, "time") == "at most 1.5 s, 2 calls a second"
        assert row(lines, "cost") == "at most 1.50 EUR"
        assert not ModerationRecord.objects.exists()
        assert dummy().calls == []

    def test_read_counts_exactly(self, old):
        old(1, 2, 2)
        lines = run(PHOTO, "--dry-run", "--read", "--rate=1")
        assert row(lines, "distinct contents") == "2"
        assert row(lines, "judged before") == "0, at no cost"
        assert row(lines, "provider calls") == "2"
        assert row(lines, "time") == "2.0 s, 1 calls a second"

    def test_budget_bounds_time_and_money(self, old, settings):
        settings.IMGMOD = {
            **settings.IMGMOD,
            "PROVIDERS": {"default": {"BACKEND": DUMMY, "PRICE_PER_1000": "500 EUR"}},
        }
        old(1, 2, 3)
        lines = run(PHOTO, "--dry-run", "--budget=2", "--rate=1")
        assert row(lines, "provider calls") == "at most 3; the budget ends it after 2"
        assert row(lines, "time").startswith("at most 2.0 s")
        assert row(lines, "cost") == "at most 1.00 EUR"

    def test_unknown_time_and_no_price(self, old):
        old(1)
        lines = run(PHOTO, "--dry-run")
        assert row(lines, "time").startswith("unknown")
        assert not [line for line in lines if "cost" in line]

    def test_rows_whose_record_is_of_another_file_are_named(self, old, picture):
        [name] = old(1)
        photo = Photo.objects.create(image=picture(2))
        Photo.objects.filter(pk=photo.pk).update(image=name)
        lines = run(PHOTO)
        assert row(lines, "of another file") == "1 (imgmod_reconcile sees to them)"
        assert f"-> 1 rows name another file than their record: imgmod_reconcile {PHOTO}" in lines


class TestReport:
    def test_everything_went_well(self, old):
        old(1, 2, 2)
        lines = run(PHOTO)
        [summary] = [line for line in lines if line.startswith("3 of 3 images in ")]
        assert summary.endswith(": 3 passed")
        assert row(lines, "judged") == "2"
        assert row(lines, "reused") == "1 (the same bytes, judged before)"
        assert row(lines, "calls made") == "2"
        assert not [line for line in lines if line.startswith("->")]

    def test_failures_by_cause_with_an_example(self, old):
        names = old(1, 2, 3)
        damaged = ProviderRefused("The picture\x1b[2J ends too early.", code=ErrorCode.DAMAGED)
        dummy().script(damaged, ProviderRefused("Too dark."), damaged)
        lines, error = failing(PHOTO)
        assert error == "Not judged: 3."
        begin = lines.index("  failed             3") + 1
        assert lines[begin : begin + 2] == [
            f"    2 Damaged picture, such as {names[0]!r}: The picture [2J ends too early.",
            f"    1 Refused by the provider, such as {names[1]!r}: Too dark.",
        ]
        assert f"-> Once the causes are mended: imgmod_backfill {PHOTO} --retry-errors" in lines
        assert [line for line in run(PHOTO, "--retry-errors") if line.startswith("3 of 3 images")]

    def test_files_that_are_gone_with_an_example(self, old):
        names = old(1, 2, 3)
        for name in names[1:]:
            Photo._meta.get_field("image").storage.delete(name)
        step = f"-> 2 files are not there any more, such as {names[1]!r}: clear or replace them."
        assert step in run(PHOTO)

    def test_budget(self, old):
        old(1, 2, 3)
        lines = run(PHOTO, "--budget=2")
        assert "-> Run the same command again: it goes on where it stopped (the budget is used up)." in lines
        assert ModerationRecord.objects.count() == 2

    def test_answers_that_come_later(self, old, settings):
        settings.IMGMOD = {
            **settings.IMGMOD,
            "PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": {"is_asynchronous": True}}},
        }
        old(1)
        assert [line for line in run(PHOTO) if line.startswith("-> Let imgmod_worker run")]

    def test_shadow_and_its_end(self, old):
        dummy().script("high")
        old(1, 2)
        lines = run(PHOTO, "--shadow")
        assert f"imgmod_backfill {PHOTO} --enforce" in lines[-1]
        assert run(PHOTO, "--enforce", "--dry-run") == [
            "Would take effect: 1 blocked, 1 passed. Of these only what is passed shows."
        ]
        assert ModerationRecord.objects.filter(is_shadow=True).count() == 2
        assert run(PHOTO, "--enforce")[0].startswith("Take effect now: 1 blocked, 1 passed.")
        assert not ModerationRecord.objects.filter(is_shadow=True).exists()
        assert run(PHOTO, "--enforce") == ["Take effect now: none."]

    def test_other_database(self, old, picture):
        name = Photo._meta.get_field("image").storage.save("old/other.png", picture())
        Photo.objects.using("other").bulk_create([Photo(image=name)])
        run(PHOTO, "--database=other")
        assert ModerationRecord.objects.using("other").get().status == Status.PASSED


class TestInterruption:
    @pytest.fixture
    def interrupt_at(self, monkeypatch) -> Callable[[int], None]:
        """Return a function that presses Ctrl-C while the provider looks at the picture of that number."""
        submit = DummyProvider.submit

        def arrange(number: int) -> None:
            def submit_and_signal(self: DummyProvider, source: Any) -> Any:
                if len(self.calls) == number - 1:
                    os.kill(os.getpid(), signal.SIGINT)
                return submit(self, source)

            monkeypatch.setattr(DummyProvider, "submit", submit_and_signal)

        return arrange

    def test_finishes_the_present_record_and_reports(self, old, interrupt_at):
        before = signal.getsignal(signal.SIGINT)
        names = old(1, 2, 3)
        interrupt_at(2)
        lines, error = failing(PHOTO, returncode=130)
        assert error == "Stopped."
        assert [line for line in lines if line.startswith("2 of 3 images in ")]
        assert "-> Run the same command again: it goes on where it stopped." in lines
        assert signal.getsignal(signal.SIGINT) == before
        run(PHOTO)
        assert [source.file_name for source in dummy().calls] == names
        assert set(ModerationRecord.objects.values_list("status", flat=True)) == {Status.PASSED}

    def test_while_planning(self, old, monkeypatch):
        old(1)
        monkeypatch.setattr(Progress, "show", lambda *args, **options: os.kill(os.getpid(), signal.SIGINT))
        monkeypatch.setattr(imgmod_backfill, "Walk", _WalkRowByRow)
        old(2)
        assert failing(PHOTO, returncode=130)[1] == "Stopped. Nothing was changed."
        assert not ModerationRecord.objects.exists()


class _WalkRowByRow(Walk):
    @classmethod
    def through(cls, watched: WatchedField, *, using: str, batch: int = 1) -> Walk:
        return Walk.through(watched, using=using, batch=batch)


class TestSince:
    @pytest.fixture
    def dated(self, picture) -> None:
        storage = DatedPhoto._meta.get_field("image").storage
        for day in (1, 2, 3):
            DatedPhoto.objects.bulk_create(
                [DatedPhoto(image=storage.save("old.png", picture(day)), taken_on=date(2020, 1, 4 - day))]
            )
            DatedPhoto.objects.filter(pk=DatedPhoto.objects.latest("pk").pk).update(
                uploaded_at=datetime(2024, 12, day, 12, tzinfo=UTC)
            )

    @pytest.mark.parametrize(
        ("options", "count"),
        [
            (["--since=2024-12-02"], 2),
            (["--since=2024-12-02T12:00"], 2),
            (["--since=2024-12-02T12:01"], 1),
            (["--since=2020-01-02", "--by=taken_on"], 2),
            (["--since=2020-01-03T00:00", "--by=taken_on"], 1),
        ],
    )
    def test_rows_on_or_after(self, dated, settings, options, count):
        settings.TIME_ZONE = "UTC"
        assert row(run("hostapp.DatedPhoto.image", "--dry-run", *options), "to do") == str(count)
        run("hostapp.DatedPhoto.image", *options)
        assert ModerationRecord.objects.count() == count

    def test_date_that_the_model_itself_goes_by(self, dated, monkeypatch):
        monkeypatch.setattr(DatedPhoto._meta, "get_latest_by", ["-taken_on", "pk"])
        lines = run("hostapp.DatedPhoto.image", "--dry-run", "--since=2020-01-03")
        assert row(lines, "to do") == "1"

    @pytest.mark.parametrize(
        ("label", "options", "words"),
        [
            ("hostapp.DatedPhoto.image", ["--by=uploaded"], "Dates of hostapp.DatedPhoto: taken_on, uploaded_at"),
            ("hostapp.DatedPhoto.image", ["--by=uploaded"], 'No date: "uploaded". Name one'),
            (PHOTO, [], "hostapp.Photo has no date: leave out --since"),
            (PHOTO, ["--by=title"], "hostapp.Photo has no date: leave out --since"),
        ],
    )
    def test_which_date_is_meant_must_be_clear(self, label, options, words):
        assert words in failing(label, "--since=2024-12-31", *options)[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["hostapp.Photo.title"], "Not watched: hostapp.Photo.title"),
        ([PHOTO, "--rate=0"], "more than 0"),
        ([PHOTO, "--budget=1.5"], "invalid int value"),
        ([PHOTO, "--batch=-1"], "more than 0"),
        ([PHOTO, "--since=yesterday"], "is no date"),
        ([PHOTO, "--since=2024-13-31"], "is no date"),
        ([PHOTO, "--by=title"], "--by goes with --since"),
        ([PHOTO, "--read"], "--read goes with --dry-run"),
        ([PHOTO, "--shadow", "--enforce"], "not allowed with"),
        ([PHOTO, "--enforce", "--retry-errors"], "leave out --retry-errors"),
    ],
)
def test_senseless_options_are_refused(options, words):
    with pytest.raises(CommandError) as caught:
        run(*options)
    assert words in str(caught.value)


def test_provider_that_cannot_be_used_is_said_at_once(old, settings):
    old(1)
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": "no.such.Provider"}}}
    assert "cannot be imported" in failing(PHOTO)[1]
    assert not ModerationRecord.objects.exists()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    @pytest.fixture
    def clock(self, monkeypatch) -> list[float]:
        now = [100.0]
        monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
        return now

    def test_terminal_has_one_line_with_bar_speed_and_time_left(self, clock):
        terminal = Terminal()
        shown = Progress(OutputWrapper(terminal), 1000)
        clock[0] += 10
        shown.show(250, failed_count=3)
        assert terminal.getvalue() == "\r[#####...............] 250/1,000 25.0/s, 30 s left, 3 failed"
        shown.show(251)
        assert terminal.getvalue().count("\r") == 1
        clock[0] += 0.5
        shown.show(260)
        assert "\n" not in terminal.getvalue()
        line = terminal.getvalue().rpartition("\r")[2]
        assert line.rstrip().endswith("260/1,000 24.8/s, 30 s left")
        # Nothing is left of the longer line before.
        assert len(line) == len("[#####...............] 250/1,000 25.0/s, 30 s left, 3 failed")
        shown.end()
        assert terminal.getvalue().rsplit("\r", 2)[1:] == [" " * (len(line) - len(", 3 failed")), ""]

    def test_elsewhere_a_line_every_ten_seconds(self, clock):
        output = StringIO()
        shown = Progress(OutputWrapper(output), 1000)
        for count in range(1, 301):
            clock[0] += 0.1
            shown.show(count, failed_count=count // 100)
        shown.end()
        assert output.getvalue().splitlines() == [
            "101 of 1,000 images (10%), 10.0 a second, 1 min 30 s left, 1 failed",
            "202 of 1,000 images (20%), 10.0 a second, 1 min 20 s left, 2 failed",
        ]

    def test_speed_is_that_of_the_last_minute(self, clock):
        terminal = Terminal()
        shown = Progress(OutputWrapper(terminal), 10_000)
        clock[0] += 1
        shown.show(5000)
        for second in range(120):
            clock[0] += 1
            shown.show(5000 + second + 1)
        assert terminal.getvalue().endswith("1.0/s, 1 h 21 min left")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (61, "1 min 1 s"),
        (3600, "1 h 0 min"),
        (96_211, "26 h 43 min"),
        (187_200, "2 days 4 h"),
    ],
)
def test_lasting(seconds, words):
    assert lasting(seconds) == words
