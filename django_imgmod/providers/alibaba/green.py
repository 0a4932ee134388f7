"""Green, the first generation (2018-05-09)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ...choices import Outcome
from ...conf import imgmod_settings
from ...exceptions import ProviderAuthError, ProviderError, ProviderProtocolError, UnsupportedOperation
from ...results import (
    Callback,
    FeedbackMessage,
    ImageSource,
    LiveAdvice,
    LiveFinding,
    Submission,
    Verdict,
)
from .animations import Frames, frames_in_copy
from .answers import Judged
from .answers1 import by_data_id, by_reference, read_accepted1, read_callback1, read_task1, read_tasks1
from .base import AlibabaProvider
from .callbacks import authenticated
from .codes import PROCESSING, ImageFailed, of_result
from .labels import FEEDBACK_SCENES, SCENES, feedback_label, feedback_scene
from .limits import GREEN as LIMITS
from .live import advice, ask_about_account, look_at_uid, signed_fields
from .locating import Location, locate
from .regions import GREEN
from .uploads import ask_token1

PATHS: Final[Mapping[str, str]] = {
    "ImageSyncScan": "/green/image/scan",
    "ImageAsyncScan": "/green/image/asyncscan",
    "ImageAsyncScanResults": "/green/image/results",
    "ImageScanFeedback": "/green/image/feedback",
}
# Seconds.
POLL_AFTER: Final = 5.0
# Results are kept for an hour: "Asynchronous moderation".
POLL_DESPITE_CALLBACK: Final = 1800.0
MAX_IMAGES: Final = 50
MAX_NOTE: Final = 500
# Of all of an account's feedback, beside the rate of everything: "/green/image/feedback".
FEEDBACK_QPS: Final = 20

_SUGGESTIONS: Final[Mapping[Outcome, str]] = {Outcome.PASS: "pass", Outcome.BLOCK: "block"}


class GreenProvider(AlibabaProvider):
    """
    Have pictures judged by the first generation of Alibaba Cloud's image moderation.

    OPTIONS: those of ``AlibabaProvider``, and

    - ``scenes`` (default "porn", "terrorism" and "ad"): of "porn", "terrorism", "ad", "qrcode", "live" and "logo";
      each has its price
    - ``biz_type``: a scenario of the console
    - ``interval`` and ``max_frames`` (together): which frames of an animation are judged, each at its price; the first
      frame alone otherwise, so that a site which accepts animations sets both
    - ``images_per_request`` (default 10, at most 50)

    Source: "Synchronous moderation", "Asynchronous moderation" and "/green/image/feedback".
    """

    generation = GREEN
    max_bytes = 64 * 1024 * 1024

    def __init__(
        self,
        alias: str,
        *,
        scenes: Sequence[str] = FEEDBACK_SCENES,
        biz_type: str = "",
        interval: int | None = None,
        max_frames: int | None = None,
        images_per_request: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(alias, **options)
        self._check_choices("scenes", scenes, SCENES, is_needed=True)
        if not isinstance(biz_type, str):
            raise self._wrong("biz_type", f"must be the name of a scenario, not {biz_type!r}")
        self._check_frames(interval, max_frames)
        # True and 10.0 would be in the range as well.
        if type(images_per_request) is not int or images_per_request not in range(1, MAX_IMAGES + 1):
            raise self._wrong("images_per_request", f"must be 1 to {MAX_IMAGES}, not {images_per_request!r}")
        self.scenes = tuple(dict.fromkeys(scenes))
        self.biz_type = biz_type
        self.images_per_request = images_per_request
        self.fetches_per_call = images_per_request
        self._frames: dict[str, int] = {}
        if interval is not None and max_frames is not None:
            self._frames = {"interval": interval, "maxFrames": max_frames}
        self._wanted_frames = Frames.of(interval, max_frames)

    @property
    def submissions_per_call(self) -> int:  # type: ignore[override]  # as the settings are at the time
        # One request has one seed for all its callbacks, and here each picture has its own.
        return 1 if self._has_callbacks and imgmod_settings.callback_base_url else self.images_per_request

    @property
    def _has_callbacks(self) -> bool:
        return self.is_asynchronous and bool(self.options.uid)

    @property
    def service(self) -> str:
        frames = map(str, self._frames.values())
        return self._service_of(["1", self.options.region, "+".join(self.scenes), self.biz_type, *frames])

    def submit(self, source: ImageSource) -> Submission:
        (answer,) = self.submit_many([source])
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    def submit_many(self, sources: Sequence[ImageSource]) -> list[Submission | ProviderError]:
        places = {source.data_id: self._located(source) for source in sources}
        located = {data_id: place for data_id, place in places.items() if isinstance(place, Location)}
        answers: dict[str, Submission | ProviderError] = {
            data_id: place for data_id, place in places.items() if isinstance(place, ProviderError)
        }
        failures = [place for place in places.values() if isinstance(place, ProviderProtocolError)]
        if failures and len(failures) == len(places):
            # That is the provider's trouble, and no picture's.
            raise failures[0]
        if located:
            callback = self._callback(sources[0])
            judged = self._scan(located, callback)
            for (data_id, place), one in zip(located.items(), judged, strict=True):
                answers[data_id] = _submission(one, place, has_callback=bool(callback))
        return [answers[source.data_id] for source in sources]

    def fetch(self, reference: str) -> Verdict | None:
        (answer,) = self.fetch_many([reference])
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    def fetch_many(self, references: Sequence[str]) -> list[Verdict | ProviderError | None]:
        payload = self.call_green(PATHS["ImageAsyncScanResults"], list(references))
        judged = read_tasks1(payload, scenes=self.scenes, where=self._at())
        answers = [one.answer for one in by_reference(judged, references, where=self._at())]
        return [of_result(answer) if isinstance(answer, ImageFailed) else answer for answer in answers]

    def read_callback(self, fields: Mapping[str, str], seeds_of: Callable[[str], Sequence[str]]) -> Callback:
        return authenticated(self, fields, seeds_of, take_apart=read_callback1, read_verdict=self._read_verdict)

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        suggestion = _SUGGESTIONS.get(message.outcome)
        if suggestion is None:
            raise UnsupportedOperation(f'Green takes no feedback that says "{message.outcome}".')
        pairs = zip(message.labels, message.sources or ("",) * len(message.labels), strict=False)
        seen = [scene for label, source in pairs if (scene := feedback_scene(label, source))]
        scenes = list(dict.fromkeys(seen)) or [scene for scene in self.scenes if scene in FEEDBACK_SCENES]
        if not scenes:
            raise UnsupportedOperation(f"Green takes feedback about {', '.join(FEEDBACK_SCENES)} alone.")
        body = {
            "suggestion": suggestion,
            "scenes": scenes,
            "taskId": message.reference,
            "label": feedback_label(message.labels, scenes, is_pass=message.outcome == Outcome.PASS),
            "note": message.note[:MAX_NOTE],
        }
        # Only with a picture does the next one like it profit.
        if source := read_source():
            body["url"] = _url_of(locate(self, source, LIMITS, ask_token1))
        given = {name: value for name, value in body.items() if value}
        self.call_green(PATHS["ImageScanFeedback"], given, at_most=FEEDBACK_QPS)

    def diagnose(self) -> str:
        ask_token1(self)
        how = "asynchronous" if self.is_asynchronous else "synchronous"
        return f"Green at {self.host}, scenes {', '.join(self.scenes)}, {how}"

    def live_findings(self) -> Sequence[LiveFinding]:
        findings = ask_about_account(self, partial(ask_token1, self))
        return [*findings, *look_at_uid(self, is_asynchronous=self.is_asynchronous)]

    def live_advice(self) -> LiveAdvice:
        mend = f'Are the scenes {", ".join(self.scenes)} activated in "{self.options.region}"?'
        if self.biz_type:
            mend += f' Is OPTIONS["biz_type"], "{self.biz_type}", a scenario of the console?'
        return advice(self, not_judged=mend)

    def callback_for(self, data_id: str, seed: str) -> Mapping[str, str]:
        if not self.is_asynchronous:
            raise UnsupportedOperation(f"{self!r} is not asked to call back: it answers at once.")
        content = {"code": PROCESSING, "msg": "a test of imgmod_doctor", "dataId": data_id}
        return signed_fields(self, ("checksum", "content"), content, seed)

    def _located(self, source: ImageSource) -> Location | ProviderError:
        """Return where a picture lies, or its own error; what fails for all of them is raised."""
        try:
            return locate(self, source, LIMITS, ask_token1, self._wanted_frames)
        except ProviderError as error:
            if error.retryable or isinstance(error, ProviderAuthError):
                raise
            return error

    def _callback(self, source: ImageSource) -> dict[str, str]:
        if not source.callback_url or not self._has_callbacks:
            return {}
        return {"callback": source.callback_url, "seed": source.seed, "cryptType": self.options.crypt_type}

    def _scan(self, located: Mapping[str, Location], callback: Mapping[str, str]) -> list[Judged]:
        tasks = [
            {
                "dataId": data_id,
                "url": _url_of(place),
                **frames_in_copy(self._frames, has_chosen_frames=place.has_chosen_frames),
            }
            for data_id, place in located.items()
        ]
        body = {"scenes": list(self.scenes), "tasks": tasks, **callback}
        if self.biz_type:
            body["bizType"] = self.biz_type
        operation = "ImageAsyncScan" if self.is_asynchronous else "ImageSyncScan"
        payload = self.call_green(PATHS[operation], body)
        if self.is_asynchronous:
            judged = read_accepted1(payload, where=self._at())
        else:
            judged = read_tasks1(payload, scenes=self.scenes, where=self._at())
        return by_data_id(judged, list(located), where=self._at())

    def _read_verdict(self, element: Mapping[str, Any]) -> Verdict | None:
        answer = read_task1(element, scenes=self.scenes, where=self._at()).answer
        return answer if isinstance(answer, Verdict) else None


def _url_of(location: Location) -> str:
    return location.url or f"oss://{location.bucket}/{location.object_name}"


def _submission(judged: Judged, place: Location, *, has_callback: bool) -> Submission | ProviderError:
    if isinstance(judged.answer, ProviderError):
        return judged.answer
    return Submission(
        reference=judged.reference,
        verdict=judged.answer,
        poll_after=POLL_DESPITE_CALLBACK if has_callback else POLL_AFTER,
        judged_as=place.judged_as,
        size=place.size,
    )
