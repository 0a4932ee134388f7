"""Both providers against the emulator, over a real connection: pictures go there, and verdicts come back."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import Any

import pytest
from django.core.files.base import ContentFile
from PIL import Image

from django_imgmod.canary import draw_canary
from django_imgmod.choices import FeedbackStatus, Outcome, ReceiptOutcome, RiskLevel, Status
from django_imgmod.emulator import Fault, Judge
from django_imgmod.exceptions import (
    CallbackRefused,
    ImgmodConfigurationError,
    ProviderAuthError,
    ProviderError,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.models import CallbackReceipt, Feedback, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.alibaba.checksums import checksum
from django_imgmod.results import FeedbackMessage, ImageSource, Verdict
from django_imgmod.seeds import acceptable_seeds
from django_imgmod.services.decisions import decide
from django_imgmod.services.feedback import send_due_feedback
from django_imgmod.services.periodic import run_periodic
from django_imgmod.services.sweep import sweep
from django_imgmod.signals import callback_stored
from django_imgmod.testing import GREEN as ONE
from django_imgmod.testing import IMAGE_MODERATION_2 as TWO
from django_imgmod.testing import canary_png
from tests.hostapp.models import Photo
from tests.providers.pictures import encoded, landscape
from tests.timetravel import fast_forward

UID = "1234567890123456"
BOTH = pytest.mark.parametrize("backend", [TWO, ONE])
HIGH = canary_png("high")


def source(content: bytes = HIGH, data_id: str = "picture-1", **more: Any) -> ImageSource:
    return ImageSource(data_id=data_id, file_name="a.png", content=content, sha256="0" * 64, **more)


def animation() -> bytes:
    """A GIF that is harmless up to its third frame."""
    frames = [Image.new("L", (512, 512), grey) for grey in (90, 150)]
    return encoded(frames[0], "GIF", save_all=True, append_images=[frames[1], draw_canary("high")])


def plain() -> bytes:
    return encoded(Image.new("RGB", (300, 200), "teal"), "PNG")


@BOTH
class TestJudging:
    @pytest.mark.parametrize(("level", "expected"), [("high", RiskLevel.HIGH), ("medium", RiskLevel.MEDIUM)])
    def test_synchronous(self, use, backend, level, expected):
        submission = use(backend, is_asynchronous=False).submit(source(canary_png(level)))
        assert submission.verdict.risk_level == expected
        assert submission.verdict.detections
        assert submission.judged_as == ""

    def test_nothing_found(self, use, backend):
        verdict = use(backend, is_asynchronous=False).submit(source(plain())).verdict
        assert verdict.risk_level == RiskLevel.NONE

    def test_asynchronous_answer_is_asked_for(self, use, backend):
        provider = use(backend)
        submission = provider.submit(source())
        assert submission.verdict is None
        assert submission.poll_after == {TWO: 30, ONE: 5}[backend]
        assert provider.fetch(submission.reference) is None
        assert provider.fetch(submission.reference).risk_level == RiskLevel.HIGH

    def test_what_it_does_not_take_is_judged_as_a_copy(self, use, backend):
        canary = draw_canary("high").convert("CMYK")
        submission = use(backend, is_asynchronous=False).submit(source(encoded(canary, "JPEG")))
        assert submission.judged_as == "a JPEG copy of 512 x 512 pixels"
        assert submission.verdict.risk_level == RiskLevel.HIGH

    def test_no_secret_is_kept_with_the_answer(self, use, backend):
        verdict = use(backend, is_asynchronous=False).submit(source()).verdict
        assert "Signature" not in str(verdict.raw)
        assert "secret" not in repr(providers["default"])


@BOTH
@pytest.mark.parametrize("is_asynchronous", [True, False])
class TestFrames:
    def judged(self, provider: Any) -> Verdict:
        submission = provider.submit(source(animation()))
        assert submission.judged_as == ""
        if provider.is_asynchronous:
            assert provider.fetch(submission.reference) is None
            return provider.fetch(submission.reference)
        return submission.verdict

    def test_that_were_asked_for_are_judged(self, use, backend, is_asynchronous):
        verdict = self.judged(use(backend, is_asynchronous=is_asynchronous, interval=1, max_frames=3))
        assert verdict.risk_level == RiskLevel.HIGH
        found = {detection.frame_index for detection in verdict.detections if detection.risk_level == RiskLevel.HIGH}
        # Green lists those frames alone in which something was seen.
        assert found == {{TWO: 2, ONE: None}[backend]}

    def test_at_their_interval_and_no_more_than_that(self, use, backend, is_asynchronous):
        every_second = self.judged(use(backend, is_asynchronous=is_asynchronous, interval=2, max_frames=2))
        first_two = self.judged(use(backend, is_asynchronous=is_asynchronous, interval=1, max_frames=2))
        assert (every_second.risk_level, first_two.risk_level) == (RiskLevel.HIGH, RiskLevel.NONE)

    def test_first_alone_where_none_were_asked_for(self, use, backend, is_asynchronous):
        assert self.judged(use(backend, is_asynchronous=is_asynchronous)).risk_level == RiskLevel.NONE


@BOTH
class TestTrouble:
    def test_wrong_key(self, use, backend):
        with pytest.raises(ProviderAuthError, match="access key"):
            use(backend, access_key_secret="other").submit(source())

    def test_throttled(self, use, backend, emulator):
        provider = use(backend)
        provider.submit(source())
        operation = {TWO: "ImageAsyncModeration", ONE: "ImageAsyncScan"}[backend]
        emulator.faults.add(Fault(name="throttled", value="2000", operation=operation))
        with pytest.raises(ProviderThrottled) as caught:
            provider.submit(source())
        assert caught.value.retry_after == 2

    @pytest.mark.parametrize("value", ["html", "empty", "half"])
    def test_garbage_is_an_error_and_no_verdict(self, use, backend, emulator, value):
        provider = use(backend, is_asynchronous=False)
        emulator.faults.add(Fault(name="garbage", value=value, operation="ImageModeration"))
        emulator.faults.add(Fault(name="garbage", value=value, operation="ImageSyncScan"))
        with pytest.raises(ProviderError):
            provider.submit(source())

    def test_emulator_that_fails_says_so_and_gives_no_verdict(self, use, backend, emulator, monkeypatch, caplog):
        def fail(*args: Any) -> None:
            raise ImgmodConfigurationError("The weights are others.")

        provider = use(backend, is_asynchronous=False)
        monkeypatch.setattr(Judge, "judge", fail)
        with pytest.raises(ProviderUnavailable):
            provider.submit(source())
        assert "The weights are others." in caplog.text

    def test_unknown_reference_is_an_error(self, use, backend):
        with pytest.raises(ProviderError):
            assert use(backend).fetch("no-such-reference") is None

    @pytest.mark.parametrize("options", [{"interval": 2}, {"source": "ftp"}, {"region": "mars", "endpoint": ""}])
    def test_wrong_options_say_which(self, use, backend, options):
        with pytest.raises(ImgmodConfigurationError, match=next(iter(options))):
            use(backend, **options)


@BOTH
@pytest.mark.django_db(databases=["default", "other"])
class TestTroubleOfUploads:
    """What docs/alibaba.md says of them under "When something is wrong"."""

    @pytest.mark.parametrize("trouble", ["wrong key", "no-permission", "garbage"])
    def test_that_will_not_pass_ends_them_until_the_circuit_opens(self, use, backend, emulator, picture, trouble):
        use(backend, **({"access_key_secret": "other"} if trouble == "wrong key" else {}))
        if trouble != "wrong key":
            emulator.faults.add(Fault(name=trouble))
        for number in range(10):
            Photo.objects.create(image=picture(number))
            list(sweep())
        records = ModerationRecord.objects.order_by("pk")
        assert [record.status for record in records] == [Status.IN_REVIEW] * 7 + [Status.PENDING] * 3
        assert all(record.error_message for record in records[:8])

    def test_that_may_pass_lets_them_wait(self, use, backend, emulator, picture):
        use(backend)
        emulator.faults.add(Fault(name="5xx"))
        Photo.objects.create(image=picture())
        list(sweep())
        assert ModerationRecord.objects.get().status == Status.PENDING


class TestSeveralAtOnce:
    def test_one_request_for_several_pictures(self, use, emulator):
        provider = use(ONE, images_per_request=3)
        submissions = provider.submit_many([source(HIGH, "a"), source(plain(), "b"), source(HIGH[:40], "c")])
        assert isinstance(submissions[2], ProviderError)
        references = [submission.reference for submission in submissions[:2]]
        assert provider.fetch_many(references) == [None, None]
        verdicts = provider.fetch_many(references)
        assert [verdict.risk_level for verdict in verdicts] == [RiskLevel.HIGH, RiskLevel.NONE]


@pytest.mark.django_db(databases=["default", "other"])
class TestFeedback:
    def message(self, outcome: Outcome) -> FeedbackMessage:
        return FeedbackMessage(
            data_id="a", reference="", outcome=outcome, labels=("porn_porn",), sources=("porn",), note="why"
        )

    @pytest.mark.parametrize(
        ("is_canary", "outcome", "expected"),
        [(True, Outcome.PASS, RiskLevel.NONE), (False, Outcome.BLOCK, RiskLevel.HIGH)],
    )
    def test_changes_the_next_verdict_on_the_same_picture(self, use, is_canary, outcome, expected):
        provider = use(ONE, is_asynchronous=False, scenes=["porn"])
        content = HIGH if is_canary else encoded(landscape(), "PNG")
        assert provider.submit(source(content)).verdict.risk_level != expected
        provider.send_feedback(self.message(outcome), lambda: source(content))
        assert provider.submit(source(content)).verdict.risk_level == expected

    @pytest.mark.parametrize(("outcome", "expected"), [(Outcome.BLOCK, "sexy"), (Outcome.PASS, "normal")])
    def test_says_all_that_the_operation_takes(self, use, monkeypatch, outcome, expected):
        provider = use(ONE, is_asynchronous=False, source="url", base_url="https://site.example")
        told: list[dict[str, Any]] = []
        monkeypatch.setattr(provider, "call_green", lambda path, body, *, at_most: told.append(body))
        message = FeedbackMessage(
            data_id="a", reference="task-1", outcome=outcome, labels=("porn_sexy",), sources=("porn",), note="why"
        )
        provider.send_feedback(message, lambda: source(url="/media/a.png"))
        suggestion = {Outcome.BLOCK: "block", Outcome.PASS: "pass"}[outcome]
        url = "https://site.example/media/a.png"
        facts = {"scenes": ["porn"], "url": url, "taskId": "task-1", "label": expected, "note": "why"}
        assert told == [{"suggestion": suggestion, **facts}]

    def test_of_the_second_generation_is_unsupported_and_says_so(self, use, django_user_model, picture):
        use(TWO, is_asynchronous=False)
        assert self.decided(picture, django_user_model).status == FeedbackStatus.UNSUPPORTED
        assert "feedback_provider" in Feedback.objects.get().error_message

    def test_is_carried_by_the_first_for_the_second(self, use, django_user_model, picture):
        use(ONE, alias="carrier", scenes=["porn"])
        use(TWO, is_asynchronous=False, feedback_provider="carrier")
        feedback = self.decided(picture, django_user_model)
        assert (feedback.provider, feedback.status) == ("carrier", FeedbackStatus.ACCEPTED)
        assert feedback.payload["reference"] == ""

    def decided(self, picture: Any, django_user_model: Any) -> Feedback:
        Photo.objects.create(image=picture())
        list(sweep())
        record = ModerationRecord.objects.get()
        assert record.status == Status.PASSED, record.error_message
        decide(record, Outcome.BLOCK, decided_by=django_user_model.objects.create(username="m"))
        fast_forward(60)
        send_due_feedback(using="default")
        return Feedback.objects.get()


@BOTH
def test_callback_is_authentic_for_its_own_record_and_content_alone(use, backend):
    provider = use(backend)
    content = '{"dataId": "a", "code": 200, "RiskLevel": "none", "results": []}'
    [seed] = acceptable_seeds("default", "a")
    names = {TWO: ("Checksum", "Content"), ONE: ("checksum", "content")}[backend]
    fields = dict(zip(names, (checksum(UID, seed, content).upper(), content), strict=True))
    assert provider.read_callback(fields, partial(acceptable_seeds, "default")).data_id == "a"
    with pytest.raises(CallbackRefused):
        provider.read_callback(fields, partial(acceptable_seeds, "other"))
    for forged in (content.replace('"a"', '"b"'), content.replace("none", "low"), "", "[]", "[" * 100_000):
        with pytest.raises(CallbackRefused):
            provider.read_callback({**fields, names[1]: forged}, partial(acceptable_seeds, "default"))


@BOTH
@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_from_an_upload_to_a_callback(live_server, settings, use, backend):
    """The emulator calls the site, which stores what it says; the worker applies it."""
    use(backend)
    settings.IMGMOD = {**settings.IMGMOD, "CALLBACK_BASE_URL": live_server.url}
    is_stored = Event()

    def note(**kwargs: Any) -> None:
        is_stored.set()

    callback_stored.connect(note)
    Photo.objects.create(image=ContentFile(HIGH, name="a.png"))
    list(sweep())
    record = ModerationRecord.objects.get()
    assert record.status == Status.SUBMITTED, record.error_message
    assert is_stored.wait(20)
    assert CallbackReceipt.objects.get().outcome == ReceiptOutcome.RECEIVED
    run_periodic()
    record.refresh_from_db()
    assert (record.status, record.risk_level) == (Status.BLOCKED, RiskLevel.HIGH)
    assert CallbackReceipt.objects.get().outcome == ReceiptOutcome.APPLIED
