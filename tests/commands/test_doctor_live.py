"""``imgmod_doctor --live`` against the emulator, and a site that it calls back over real connections."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from django_imgmod.choices import Circuit, ReceiptOutcome
from django_imgmod.emulator import Fault
from django_imgmod.management import live as wording
from django_imgmod.models import CallbackReceipt, ModerationRecord, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.alibaba.credentials import VARIABLES
from django_imgmod.seeds import callback_seed
from django_imgmod.services import live
from django_imgmod.services.callbacks import TRIAL, apply_waiting_callbacks
from django_imgmod.services.probe import PREFIX
from django_imgmod.testing import GREEN, IMAGE_MODERATION_2, RunningEmulator, imgmod_emulator, imgmod_emulator_options
from tests.commands.doctoring import doctor, line_with, mend_of
from tests.emulator.listening import Listener, listening
from tests.hostapp.models import Photo

__all__ = ["imgmod_emulator", "imgmod_emulator_options"]

BOTH = pytest.mark.parametrize("backend", [IMAGE_MODERATION_2, GREEN])
SUBMITTING = {IMAGE_MODERATION_2: "ImageAsyncModeration", GREEN: "ImageAsyncScan"}
UID = "1234567890123456"
PATH = "/imgmod/callbacks/default/"

pytestmark = pytest.mark.django_db(databases=["default", "other"], transaction=True)

Use = Callable[..., None]


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"PAUSE": 0.02, "FETCH_PAUSE": 0.05}.items():
        monkeypatch.setattr(live, name, seconds)


@pytest.fixture
def use(settings: Any, imgmod_emulator: RunningEmulator) -> Use:
    """Return a function that has a site of one field judged by the emulator, and called back at an address."""

    def put(backend: str = IMAGE_MODERATION_2, *, callback_base_url: str | None = None, **options: Any) -> None:
        settings.IMGMOD = {
            "PROVIDERS": {"default": imgmod_emulator.provider(backend, **options)},
            "FIELDS": ["hostapp.Photo.image"],
            "EXCLUDE": ["hostapp.Document"],
            "CALLBACK_BASE_URL": callback_base_url,
        }

    return put


@pytest.fixture
def site(live_server: Any, use: Use) -> Use:
    """The same, of a site that is there to be called."""

    def put(backend: str = IMAGE_MODERATION_2, **options: Any) -> None:
        use(backend, callback_base_url=live_server.url, **options)

    return put


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def ask() -> tuple[str, bool]:
    return doctor("--live")


def found(subject: str, report: str) -> str:
    """Return the line on a subject of the provider, without what stands before it."""
    level, _, text = line_with(f'provider "default", {subject}: ', report).partition(f'provider "default", {subject}: ')
    return f"{level.strip()} {text}"


def mend(subject: str, report: str) -> str:
    return mend_of(f'provider "default", {subject}: ', report)


def test_callback_that_comes_while_it_is_looked_for_is_found_by_the_next_look() -> None:
    data_id = f"{PREFIX}1"
    arriving = [
        CallbackReceipt(provider="default", body=data_id, outcome=ReceiptOutcome.LATE, error_message=TRIAL),
    ]

    def arrive(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if arriving and CallbackReceipt._meta.db_table in sql:
            arriving.pop().save()
        return result

    with connection.execute_wrapper(arrive):
        assert live._take_receipt("default", data_id) is None
    assert live._take_receipt("default", data_id) == data_id
    assert not CallbackReceipt.objects.exists()


class TestSoundSite:
    @BOTH
    def test_all_is_proved(self, site, backend):
        site(backend)
        report, is_sound = ask()
        assert is_sound, report
        assert found("region", report).startswith("ok ap-southeast-1, 127.0.0.1:")
        assert found("access key", report).startswith("ok emul… is accepted")
        assert found("permission", report) == "ok uploads are allowed"
        assert f"{PATH} took a signed callback in " in found("callback address", report)
        assert "judged the test picture high in " in found("service", report)
        expected = f"ok the provider's own came and is authentic: uid {UID} is right"
        assert found("callback", report) == expected

    @BOTH
    def test_nothing_is_left_and_nothing_changed(self, site, backend, settings, media_root: Path, picture, caplog):
        site(backend)
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
        Photo.objects.create(image=picture())
        before = list(ModerationRecord.objects.values())
        caplog.clear()
        report, is_sound = ask()
        assert is_sound, report
        assert list(ModerationRecord.objects.values()) == before
        assert not CallbackReceipt.objects.exists()
        assert not [path for path in media_root.rglob("*") if "imgmod-doctor" in path.name]
        assert "callback=" not in caplog.text

    def test_says_before_and_after_what_is_sent(self, site):
        site()
        lines = ask()[0].splitlines()
        live_lines = [index for index, line in enumerate(lines) if " live: " in line]
        of_provider = [index for index, line in enumerate(lines) if line[8:].startswith('provider "default", ')]
        assert live_lines[0] < min(of_provider) < max(of_provider) < live_lines[1]
        assert "one test picture to be judged, for which it may charge" in lines[live_lines[0]]
        assert lines[live_lines[1]].endswith("live: 1 test picture sent to be judged (default)")

    @BOTH
    def test_that_cannot_be_called_is_told_the_verdict(self, use, backend):
        use(backend)
        report, is_sound = ask()
        assert is_sound, report
        assert found("uid", report) == "ok not needed, as answers are asked for"
        assert "judged the test picture high in " in found("service", report)
        assert ", callback address: " not in report

    @BOTH
    def test_that_is_answered_at_once_calls_nobody(self, site, backend):
        site(backend, is_asynchronous=False)
        report, is_sound = ask()
        assert is_sound, report
        assert found("uid", report) == "ok not needed, as answers are given at once"
        assert ", callback address: " not in report

    def test_without_a_service_outside_sends_nothing(self, settings):
        dummy = "django_imgmod.providers.dummy.DummyProvider"
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": dummy}}}
        report, is_sound = ask()
        assert is_sound
        assert 'ok      provider "default": DummyProvider' in report
        assert "live: 0 test pictures sent to be judged" in report
        assert providers["default"].calls == []

    def test_without_live_asks_for_no_judgement(self, site):
        site()
        report, is_sound = doctor()
        assert is_sound
        assert "live: " not in report
        assert "test picture" not in report


class TestAccount:
    @pytest.fixture(autouse=True)
    def nothing_is_paid_for(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for variable in VARIABLES.values():
            monkeypatch.delenv(variable, raising=False)
        reports: list[str] = []
        self.reports = reports
        yield
        (report,) = reports
        assert "live: 0 test pictures sent to be judged" in report

    def ask(self) -> str:
        report, is_sound = ask()
        assert not is_sound
        self.reports.append(report)
        return report

    @BOTH
    def test_wrong_secret(self, use, backend):
        use(backend, access_key_secret="other")
        report = self.ask()
        assert found("region", report).startswith("ok ")
        assert "found the signature wrong (SignatureDoesNotMatch" in found("access key", report)
        assert "RAM console" in mend("access key", report)
        assert ", permission: " not in report

    @BOTH
    def test_unknown_key(self, use, backend):
        use(backend, access_key_id="nobody")
        assert found("access key", self.ask()).startswith("FAULT ")

    def test_no_key(self, use):
        use(access_key_id="", access_key_secret="")
        report = self.ask()
        assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in found("access key", report)
        assert "Make one in the RAM console" in mend("access key", report)

    @BOTH
    def test_missing_permission(self, use, backend, imgmod_emulator):
        use(backend)
        imgmod_emulator.faults.add(Fault(name="no-permission"))
        report = self.ask()
        assert found("access key", report).startswith("ok ")
        assert found("permission", report).startswith("FAULT ")
        assert "AliyunYundunGreenWebFullAccess" in mend("permission", report)

    def test_host_that_is_not_there(self, use, unused_port):
        use(endpoint=f"http://127.0.0.1:{unused_port}")
        report = self.ask()
        assert found("region", report).endswith("cannot be reached (Connection refused).")
        assert '"ap-southeast-1" the region' in mend("region", report)

    def test_region_that_does_not_exist(self, use):
        use(region="mars", endpoint="")
        report = self.ask()
        assert "OPTIONS[\"region\"] is 'mars'" in line_with("mars", report)
        assert "Use one of ap-southeast-1, " in line_with("mars", report)


class TestClock:
    @pytest.fixture
    def imgmod_emulator_options(self) -> dict[str, Any]:
        return {"clock": lambda: datetime.now(UTC) + timedelta(hours=1)}

    @BOTH
    def test_that_is_off_is_named(self, use, backend):
        use(backend)
        report, is_sound = ask()
        assert not is_sound
        assert "more than 15 minutes off" in found("clock", report)
        assert "NTP" in mend("clock", report)
        assert ", access key: " not in report


class TestService:
    @pytest.mark.parametrize("is_asynchronous", [True, False])
    @pytest.mark.parametrize("service", ["no such service", "baselineCheck_globall"])
    def test_unknown_one(self, use, service, is_asynchronous):
        use(service=service, is_asynchronous=is_asynchronous)
        report, is_sound = ask()
        assert not is_sound
        words = "found something in the request wrong (code 401)"
        assert line_with(words, report).startswith("FAULT ")
        assert f'OPTIONS["service"], "{service}", spelt as the console spells it' in mend_of(words, report)

    @BOTH
    def test_not_permitted(self, use, backend, imgmod_emulator):
        use(backend)
        imgmod_emulator.faults.add(Fault(name="no-permission", operation=SUBMITTING[backend]))
        report, is_sound = ask()
        assert not is_sound
        assert "AliyunYundunGreenWebFullAccess" in found("service", report)
        words = {IMAGE_MODERATION_2: 'OPTIONS["service"]', GREEN: "Are the scenes"}[backend]
        assert words in mend("service", report)

    def test_asynchronous_where_it_is_not_documented(self, use):
        use(region="us-east-1")
        report, is_sound = ask()
        assert is_sound
        line = line_with("documented for ap-southeast-1", report)
        assert line.startswith("WARNING ")
        assert "is_asynchronous" in mend_of("documented for ap-southeast-1", report)

    def test_slow_one_is_a_warning(self, use, imgmod_emulator, monkeypatch):
        use()
        monkeypatch.setattr(wording, "JUDGEMENT_TIMEOUT", 0.3)
        imgmod_emulator.faults.add(Fault(name="processing"))
        report, is_sound = ask()
        assert is_sound
        assert "gave no verdict in " in found("service", report)
        assert "ask again later" in mend("service", report)

    def test_left_alone_by_its_circuit(self, use):
        use()
        state = {"failure_count": 8, "error_message": "It was on fire.", "circuit": Circuit.OPEN}
        ProviderState.objects.create(provider="default", retry_at=timezone.now() + timedelta(minutes=5), **state)
        report, is_sound = ask()
        assert not is_sound
        assert "left alone" in found("service", report)
        assert "It was on fire." in found("service", report)
        assert "live: 0 test pictures sent to be judged" in report


class TestCallbackAddress:
    @pytest.mark.parametrize(
        ("status", "body", "headers", "words", "advice"),
        [
            (301, b"", {"Location": "https://www.site.example{path}"}, "redirects to", '"https://www.site.example"'),
            (302, b"", {"Location": "/login/?next=x"}, "/login/ (302)", "no login and no cookie"),
            (400, b"", {}, "finds it not authentic (400)", "another SECRET_KEY"),
            (400, b"<h1>Bad Request (400)</h1>", {}, "does not take the request", "ALLOWED_HOSTS"),
            (401, b"", {}, "wants a login (401)", "no login and no cookie"),
            (403, b"", {}, "forbids it (403)", "firewall"),
            (403, b"<p>CSRF verification failed.", {}, "finds the CSRF token missing", "exempt"),
            (404, b"", {}, "knows no such page (404)", "django_imgmod.urls"),
            (405, b"", {}, "takes no POST there (405)", "Another page"),
            (418, b"", {}, "does not take it (418)", "Another page"),
            (429, b"", {}, "asks for fewer requests (429)", "Exempt this path"),
            (500, b"", {}, "fails (500)", "site's log"),
            (502, b"", {}, "has no site behind it (502)", "does not reach the site"),
            (599, b"", {}, "fails (599)", "site's log"),
            (200, b"Welcome!", {}, "nothing is in the database", "another database"),
        ],
    )
    def test_that_does_not_take_it(self, use, listener, status, body, headers, words, advice):
        use(callback_base_url=listener.url)
        listener.answer(status, body, **{name: value.replace("{path}", PATH) for name, value in headers.items()})
        report, is_sound = ask()
        assert not is_sound
        assert f"{listener.url}{PATH} " in found("callback address", report)
        assert words in found("callback address", report)
        assert advice in mend("callback address", report)
        assert ", callback: " not in report
        assert "judged the test picture high" in found("service", report)

    def test_is_sent_what_the_provider_would_send(self, use, listener):
        use(callback_base_url=listener.url)
        ask()
        arrival = listener.next()
        assert (arrival.method, arrival.path) == ("POST", PATH)
        assert arrival.headers["content-type"] == "application/x-www-form-urlencoded"
        assert arrival.form.keys() == {"ReqId", "Checksum", "Content"}
        assert "cookie" not in arrival.headers

    def test_where_nobody_listens(self, use, unused_port):
        use(callback_base_url=f"http://127.0.0.1:{unused_port}")
        report, is_sound = ask()
        assert not is_sound
        assert "cannot be reached (Connection refused)" in found("callback address", report)
        assert "CALLBACK_BASE_URL" in mend("callback address", report)

    def test_of_processes_with_another_secret(self, site, monkeypatch):
        site()
        monkeypatch.setattr(live, "callback_seed", lambda alias, data_id: callback_seed(f"not {alias}", data_id))
        report, is_sound = ask()
        assert not is_sound
        assert "finds it not authentic (400)" in found("callback address", report)


class TestUid:
    @BOTH
    def test_that_is_not_the_accounts(self, monkeypatch, site, backend):
        # For what comes after the verdict: here nothing will.
        monkeypatch.setattr(live, "GRACE", 0.3)
        site(backend, uid="28999")
        report, is_sound = ask()
        assert not is_sound
        assert found("callback address", report).startswith("ok ")
        assert "no authentic callback of its came in " in found("callback", report)
        assert "is 28999 the number of the main account" in mend("callback", report)

    def test_that_is_missing(self, site):
        site(uid="")
        report, is_sound = ask()
        assert is_sound
        assert found("uid", report).startswith("WARNING there is none")
        assert "judged the test picture high" in found("service", report)

    def test_that_is_no_number(self, use):
        use(uid="my-account", callback_base_url="http://127.0.0.1:1")
        assert found("uid", ask()[0]) == "WARNING 'my-account' is no number"


def test_callback_that_comes_when_nobody_waits_any_more_says_what_it_is(site, caplog):
    """It is stored as every authentic one, and neither applied nor a failure that somebody has to look into."""
    site()
    data_id = "imgmod-doctor-0123456789"
    fields = providers["default"].callback_for(data_id, callback_seed("default", data_id))
    assert Client().post(PATH, urlencode(fields), content_type="application/x-www-form-urlencoded").status_code == 200
    assert apply_waiting_callbacks(using="default") == 0
    receipt = CallbackReceipt.objects.get()
    assert (receipt.outcome, receipt.error_message) == (ReceiptOutcome.LATE, "A test of imgmod_doctor.")
    assert "failed" not in caplog.text
