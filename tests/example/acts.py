"""Run by test_pages.py under the example's settings: what ``demo_alibaba`` finds wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from django_imgmod.canary import canary_png
from django_imgmod.choices import Status
from django_imgmod.emulator import serve
from example_project.gallery import processes
from example_project.gallery.alibaba import Site, UnexpectedOutcome, check_outcomes, require
from example_project.gallery.emulation import Tally
from example_project.gallery.models import Photo, Postcard
from example_project.gallery.pictures import Sample
from example_project.gallery.processes import Process, ProcessFailed, interrupted_by_signals, wait_until
from example_project.gallery.staging import Saved, make_users, save_pictures

# Pictures are judged after the commit, so there has to be one.
pytestmark = pytest.mark.django_db(transaction=True)

Draw = Callable[..., "ContentFile[bytes]"]


@pytest.fixture
def editor(settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return make_users()


@pytest.fixture
def harbour(editor: User, picture: Draw) -> Saved:
    return next(save_pictures([Sample(title="Harbour", file_name="harbour.png", content=picture().read)], editor))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.3)


def answering(status: str) -> Callable[..., list[bytes]]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(status, [])
        return [b""]

    return app


def test_outcome_that_was_expected_is_no_word(harbour: Saved) -> None:
    harbour.record.refresh_from_db()

    check_outcomes([harbour])


def test_outcome_that_was_not_expected_is_named(harbour: Saved) -> None:
    harbour.record.refresh_from_db()

    with pytest.raises(UnexpectedOutcome, match=r"Harbour: passed \(no risk found\), not blocked"):
        check_outcomes([harbour], {"Harbour": Status.BLOCKED})


def test_verdict_that_stays_away_is_named(editor: User, picture: Draw) -> None:
    sample = Sample(title="Greetings", file_name="greetings.png", content=picture().read, model=Postcard)
    saved = list(save_pictures([sample], editor))

    with pytest.raises(UnexpectedOutcome, match="Greetings: submitted"):
        Site("http://127.0.0.1/", ()).wait_for_verdicts(saved, seconds=0.2)


@pytest.mark.parametrize(("level", "status"), [(None, "404 Not Found"), ("high", "200 OK")])
def test_file_that_is_answered_otherwise_than_its_record_says_is_named(
    editor: User, picture: Draw, level: Any, status: str
) -> None:
    content = picture().read if level is None else lambda: canary_png(level)
    list(save_pictures([Sample(title="Harbour", file_name="harbour.png", content=content)], editor))

    with serve(answering(status)) as address:
        site = Site(f"http://{address}/", ())
        with pytest.raises(UnexpectedOutcome, match=f'The file of "Harbour", .* is answered with {status[:3]}'):
            site.count_fetchable()


def test_pictures_of_others_are_not_fetched(editor: User, picture: Draw, harbour: Saved) -> None:
    Photo.objects.create(title="Boats", image=picture(2), uploaded_by=editor)

    with serve(answering("200 OK")) as address:
        assert Site(f"http://{address}/", ()).count_fetchable() == (1, 0)


def test_tally_counts_what_is_asked_for_and_what_is_refused() -> None:
    tally = Tally(answering("403 Forbidden"))
    for method, path, action in (
        ("POST", "/", "ImageAsyncModeration"),
        ("POST", "/green/image/asyncscan", ""),
        ("POST", "/green/image/asyncscan", ""),
        ("PUT", "/bucket/name", ""),
    ):
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, **({"HTTP_X_ACS_ACTION": action} if action else {})}
        tally(environ, lambda *args: None)

    counts, refused = tally.take()

    assert counts == refused == {"ImageAsyncModeration": 1, "ImageAsyncScan": 2, "PutObject": 1}
    assert tally.take() == ({}, {})


def test_require() -> None:
    require(True, "not raised")
    with pytest.raises(UnexpectedOutcome, match="it is not so"):
        require(False, "it is not so")


def test_process_that_ends_is_quoted(tmp_path: Path) -> None:
    with (
        Process(["no_such_command"], {}, tmp_path / "process.log") as process,
        pytest.raises(ProcessFailed, match=r"(?s)no_such_command\" ended with 1.*Unknown command"),
    ):
        wait_until(lambda: False, [process])


def test_process_that_does_not_get_ready_is_named_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    script = tmp_path / "endless.py"
    script.write_text("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n")
    monkeypatch.setattr(processes, "MANAGE", script)
    monkeypatch.setattr(processes, "TIME_TO_END", 0.3)

    process = Process(["endless"], {}, tmp_path / "process.log")
    with process, pytest.raises(ProcessFailed, match="was not ready"):
        process.wait_for_line("ready")

    with pytest.raises(ProcessFailed, match="ended with -"):
        process.check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_wish_to_end_that_arrives_within_a_destructor_is_not_lost() -> None:
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with interrupted_by_signals():
        Dying()
        with pytest.raises(KeyboardInterrupt):
            wait_until(lambda: False, [], seconds=1)
