from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from django_imgmod.canary import canary_png
from django_imgmod.choices import RiskLevel
from django_imgmod.exceptions import ProviderThrottled
from django_imgmod.management import diagnosis
from django_imgmod.models import DetectedLabel, ModerationRecord, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import ImageSource, Submission, Verdict
from django_imgmod.services import backoff, probe
from django_imgmod.services.status import read_status
from tests.commands.doctoring import doctor, line_with, mend_of
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(databases=["default", "other"])

DUMMY = "django_imgmod.providers.dummy.DummyProvider"


class CloudProvider(DummyProvider):
    """Has never heard of canaries, and finds nothing in them."""

    knows_canaries = False

    def submit(self, source: ImageSource) -> Submission:
        return Submission(verdict=Verdict(risk_level=RiskLevel.NONE))


class BrokenProvider(DummyProvider):
    def diagnose(self) -> str:
        raise RuntimeError("libengine.so is missing")


@pytest.fixture
def configure(settings):
    """Return a function that changes keys of IMGMOD."""

    def change(**keys: Any) -> None:
        settings.IMGMOD = {**settings.IMGMOD, **keys}

    return change


class TestSoundSite:
    def test_has_a_line_for_every_check(self):
        report, is_sound = doctor()
        assert is_sound
        assert {line[:8] for line in report.splitlines()} == {"ok      ", "No fault"}
        for told in (
            "settings: in order, dispatcher django_imgmod.dispatch.InlineDispatcher",
            'database "default": migrations applied',
            'database "other": migrations applied',
            'work in "default": nothing is due',
            'provider "default": DummyProvider',
            'field hostapp.Photo.image: provider "default", policy "default" (enforce)',
            'field hostapp.Document.scan: provider "default", policy "strict" (enforce)',
            "storage FileSystemStorage of hostapp.Photo.image, ",
        ):
            line_with(told, report)

    def test_is_left_as_it_was(self, media_root: Path):
        doctor()
        assert not media_root.exists()

    def test_shadow_mode_is_told_as_what_it_means(self, configure):
        configure(POLICIES={"default": {"mode": "shadow"}, "strict": {}})
        assert "(shadow): images show whatever the verdict" in line_with("hostapp.Photo.image: ", doctor()[0])


class TestFaults:
    def test_of_the_settings(self, configure):
        configure(FIELD=["hostapp.Photo.image"])
        report, is_sound = doctor()
        assert not is_sound
        assert line_with("IMGMOD has an unknown key: 'FIELD'. (imgmod.E002)", report).startswith("FAULT ")
        assert "Known keys are" in mend_of("imgmod.E002", report)

    def test_are_counted_and_end_with_exit_code_1(self, configure):
        configure(FIELD=[], POLICY={})
        with pytest.raises(CommandError, match="Faults found: 2") as caught:
            call_command("imgmod_doctor", stdout=io.StringIO())
        assert caught.value.returncode == 1

    def test_settings_that_cannot_be_read_end_no_other_examination(self, configure):
        configure(PROVIDERS="local")
        report, is_sound = doctor()
        assert not is_sound
        assert "(imgmod.E003)" in report
        assert line_with('database "default"', report).startswith("ok ")
        assert line_with("providers: ", report).startswith("FAULT ")

    def test_of_a_provider_that_cannot_be_imported_is_told_once(self, configure):
        configure(PROVIDERS={"default": {"BACKEND": "no.such.Provider"}})
        report, is_sound = doctor()
        assert not is_sound
        assert line_with("no.such.Provider", report).startswith('FAULT   provider "default": ')
        assert 'IMGMOD["PROVIDERS"]["default"]' in mend_of("no.such.Provider", report)

    def test_of_an_engine_that_does_not_load(self, configure):
        configure(PROVIDERS={"default": {"BACKEND": f"{__name__}.BrokenProvider"}, "sound": {"BACKEND": DUMMY}})
        report, is_sound = doctor()
        assert not is_sound
        assert line_with("libengine.so", report).startswith('FAULT   provider "default": RuntimeError: ')
        assert line_with('provider "sound": ', report).startswith("ok ")

    def test_of_a_storage_that_cannot_be_read(self, monkeypatch):
        def refuse(name: str) -> bool:
            raise ConnectionError("no route to the bucket")

        monkeypatch.setattr(default_storage, "exists", refuse)
        report, is_sound = doctor()
        assert not is_sound
        assert line_with("no route to the bucket", report).startswith("FAULT   storage FileSystemStorage of ")

    def test_of_a_folder_that_may_not_be_read(self, media_root: Path, monkeypatch):
        media_root.mkdir()
        monkeypatch.setattr(diagnosis.os, "access", lambda path, mode: Path(path) != media_root)
        report, is_sound = doctor()
        assert not is_sound
        assert f"{media_root} may not be read" in report

    def test_of_a_database_that_was_not_migrated(self):
        [(_, newest)] = MigrationLoader(connection).graph.leaf_nodes("django_imgmod")
        MigrationRecorder(connection).record_unapplied("django_imgmod", newest)
        report, is_sound = doctor()
        assert not is_sound
        assert f"django_imgmod.{newest}" in line_with('database "default"', report)
        assert "manage.py migrate --database=default" in mend_of('database "default"', report)
        assert 'work in "default"' not in report

    def test_of_a_site_that_watches_nothing(self, configure):
        configure(FIELDS=[], EXCLUDE=["hostapp.Document"])
        report, is_sound = doctor()
        assert not is_sound
        assert "nothing is moderated" in report


class TestBacklog:
    def test_work_that_waits_too_long_is_a_warning(self, picture):
        Photo.objects.create(image=picture())
        ModerationRecord.objects.update(due_at=timezone.now() - timedelta(minutes=16))
        report, is_sound = doctor()
        assert is_sound
        assert line_with('work in "default"', report) == 'WARNING work in "default": 1 due, the oldest for 16 minutes'
        assert "imgmod_worker" in mend_of('work in "default"', report)

    def test_work_that_has_just_become_due_is_none(self, picture):
        Photo.objects.create(image=picture())
        report, _ = doctor()
        assert line_with('work in "default"', report).startswith("ok ")


class TestCron:
    @pytest.fixture(autouse=True)
    def one_field(self, configure):
        configure(FIELDS=["hostapp.Photo.image"], EXCLUDE=["hostapp.Document"])

    def test_hears_nothing_where_all_is_well(self):
        assert doctor("--canary", verbosity=0) == ("", True)

    def test_hears_what_is_amiss_and_nothing_else(self, configure):
        configure(PROVIDERS={"default": {"BACKEND": DUMMY, "OPTIONS": {"is_down": True}}})
        report, is_sound = doctor("--canary", verbosity=0)
        assert not is_sound
        assert [line[:7] for line in report.splitlines()] == ["FAULT  ", "       ", "FAULT  ", "       "]

    def test_does_not_change_what_is_being_watched(self, picture):
        Photo.objects.create(image=picture())
        before = read_status()
        doctor("--canary", verbosity=0)
        after = read_status()
        assert (after.records, [each.workload for each in after.providers]) == (
            before.records,
            [each.workload for each in before.providers],
        )


class TestCanaries:
    @pytest.fixture(autouse=True)
    def one_field(self, configure):
        configure(FIELDS=["hostapp.Photo.image"], EXCLUDE=["hostapp.Document"])

    @pytest.fixture(autouse=True)
    def nothing_is_left_behind(self, one_field, media_root: Path):
        yield
        assert not ModerationRecord.objects.filter(object_id__startswith="imgmod-doctor").exists()
        assert not [path for path in media_root.rglob("*") if "imgmod-doctor" in path.name]

    def high(self) -> tuple[str, bool]:
        report, is_sound = doctor("--canary")
        return line_with("high canary", report), is_sound

    def test_are_judged_on_the_whole_way(self):
        report, is_sound = doctor("--canary")
        assert is_sound
        subject = 'canary, hostapp.Photo.image by "default":'
        assert f"high {subject} blocked (canary_high 100.00) in " in report
        assert f"medium {subject} in_review (canary_medium 100.00) in " in report
        assert not DetectedLabel.objects.exists()

    def test_are_judged_anew_each_time(self, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(image=ContentFile(canary_png("high"), name="canary.png"))
        doctor("--canary")
        doctor("--canary")
        assert len(providers["default"].calls) == 1 + 2 + 2

    def test_one_record_of_the_site_is_left_alone(self, picture):
        Photo.objects.create(image=picture())
        doctor("--canary")
        assert ModerationRecord.objects.count() == 1

    def test_prove_only_the_path_where_the_provider_does_not_know_them(self, configure):
        configure(PROVIDERS={"default": {"BACKEND": f"{__name__}.CloudProvider"}})
        line, is_sound = self.high()
        assert is_sound
        assert line.endswith("; this provider does not know canaries: they prove the path, not the judgement")

    def test_not_recognised_by_an_engine_that_should_is_a_fault(self):
        providers["default"].script("none", "none")
        line, is_sound = self.high()
        assert not is_sound
        assert line.endswith("not recognised")

    def test_passed_by_the_policy_is_a_warning(self, configure):
        configure(POLICIES={"default": {"labels": {"canary_*": "ignore"}}})
        line, is_sound = self.high()
        assert is_sound
        assert line.startswith("WARNING ")

    def test_not_judged_is_a_fault(self, configure):
        configure(PROVIDERS={"default": {"BACKEND": DUMMY, "OPTIONS": {"is_down": True}}})
        line, is_sound = self.high()
        assert not is_sound
        assert 'not judged: Provider "default" is down' in line

    def test_later_answer_is_waited_for(self, configure):
        configure(PROVIDERS={"default": {"BACKEND": DUMMY, "OPTIONS": {"is_asynchronous": True}}})
        line, is_sound = self.high()
        assert is_sound
        assert "blocked (canary_high 100.00)" in line

    def test_stands_in_line_where_the_provider_is_busy(self, monkeypatch):
        # No time for a second attempt.
        monkeypatch.setattr(probe, "PAUSE", 2)
        monkeypatch.setattr(diagnosis, "CANARY_TIMEOUT", 2)
        ProviderState.objects.create(provider="default", next_call_at=timezone.now() + timedelta(seconds=0.5))
        line, is_sound = self.high()
        assert is_sound
        assert "blocked (canary_high 100.00)" in line

    def test_comes_again_where_the_provider_asks_for_it(self, monkeypatch):
        monkeypatch.setattr(backoff, "FIRST_DELAY", 0.1)
        providers["default"].script(ProviderThrottled("Too many requests."))
        line, is_sound = self.high()
        assert is_sound
        assert "blocked (canary_high 100.00)" in line

    def test_answer_that_does_not_come_is_a_fault(self, configure, monkeypatch):
        monkeypatch.setattr(diagnosis, "CANARY_TIMEOUT", 0)
        options = {"is_asynchronous": True, "delay": 3600}
        configure(PROVIDERS={"default": {"BACKEND": DUMMY, "OPTIONS": options}})
        line, is_sound = self.high()
        assert not is_sound
        assert "no verdict (reference 'default-1')" in line

    def test_storage_that_cannot_be_written_is_a_fault(self, monkeypatch):
        def refuse(name: str, content: Any) -> str:
            raise PermissionError("read-only")

        monkeypatch.setattr(default_storage, "save", refuse)
        line, is_sound = self.high()
        assert not is_sound
        assert "PermissionError: read-only" in line

    def test_storage_that_does_not_delete_is_a_fault(self, monkeypatch):
        delete = default_storage.delete

        def delete_and_complain(name: str) -> None:
            delete(name)
            raise PermissionError("no deleting here")

        monkeypatch.setattr(default_storage, "delete", delete_and_complain)
        line, is_sound = self.high()
        assert not is_sound
        assert "no deleting here" in line

    def test_provider_that_no_field_uses_gets_none(self, configure):
        configure(PROVIDERS={"default": {"BACKEND": DUMMY}, "spare": {"BACKEND": DUMMY}})
        report, is_sound = doctor("--canary")
        assert is_sound
        assert 'canaries: none sent to "spare", which no watched field uses' in report
        assert providers["spare"].calls == []
