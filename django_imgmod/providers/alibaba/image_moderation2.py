"""Image Moderation 2.0 (2022-03-02)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from json import dumps
from typing import Any, Final

from ...exceptions import UnsupportedOperation
from ...results import (
    Callback,
    FeedbackMessage,
    ImageSource,
    LiveAdvice,
    LiveFinding,
    Soundness,
    Submission,
    Verdict,
)
from .animations import Frames, frames_in_copy
from .answers2 import read_accepted2, read_answer2, read_callback2
from .base import AlibabaProvider
from .callbacks import authenticated
from .codes import PROCESSING, ImageFailed, of_result
from .limits import IMAGE_MODERATION_2
from .live import advice, ask_about_account, look_at_uid, signed_fields
from .locating import Location, locate
from .regions import MODERATION2
from .uploads import ask_token2

# Seconds. "Image Moderation 2.0 asynchronous API": first after 30 s.
POLL_AFTER: Final = 30.0
# A callback that never comes is not waited for as long as results are kept.
POLL_DESPITE_CALLBACK: Final = 600.0
MAX_REFERER: Final = 256
MAX_FRAMES: Final = 100
INFO_TYPES: Final = ("customImage", "textInImage", "publicFigure", "logoData")
# Where the asynchronous operations are documented.
ASYNCHRONOUS: Final = ("ap-southeast-1", "baselineCheck_global")


class ImageModeration2Provider(AlibabaProvider):
    """
    Have pictures judged by Alibaba Cloud's Image Moderation 2.0.

    OPTIONS: those of ``AlibabaProvider``, and

    - ``service`` (default "baselineCheck_global"): which of the services, as the console names it
    - ``interval`` and ``max_frames`` (together): which frames of an animation are judged, at most 100, each at its
      price; the first frame alone otherwise, so that a site which accepts animations sets both
    - ``referer``: what is sent as such where the picture is fetched
    - ``info_type``: a list of what else to tell, of "customImage", "textInImage", "publicFigure" and "logoData"

    Source: "Image Moderation 2.0 synchronous API" and "asynchronous API".
    """

    generation = MODERATION2
    max_bytes = 64 * 1024 * 1024

    def __init__(
        self,
        alias: str,
        *,
        service: Any = "baselineCheck_global",
        interval: int | None = None,
        max_frames: int | None = None,
        referer: Any = "",
        info_type: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(alias, **options)
        if not isinstance(service, str) or not service:
            raise self._wrong("service", f"must be the name of a service, not {service!r}")
        self._check_frames(interval, max_frames, at_most=MAX_FRAMES)
        if not isinstance(referer, str) or len(referer) > MAX_REFERER:
            raise self._wrong("referer", f"must be text of at most {MAX_REFERER} characters")
        self._check_choices("info_type", info_type, INFO_TYPES)
        self.service_code: str = service
        self._wishes = {"referer": referer, "infoType": ",".join(dict.fromkeys(info_type))}
        self._frames: dict[str, int] = {}
        if interval is not None and max_frames is not None:
            self._frames = {"interval": interval, "maxFrameNum": max_frames}
        self._wanted_frames = Frames.of(interval, max_frames)

    @property
    def service(self) -> str:
        return self._service_of(["2.0", self.options.region, self.service_code, *map(str, self._frames.values())])

    def submit(self, source: ImageSource) -> Submission:
        location = locate(self, source, IMAGE_MODERATION_2, ask_token2, self._wanted_frames)
        parameters: dict[str, str | int] = {**_place(location), "dataId": source.data_id, **self._wishes}
        parameters |= frames_in_copy(self._frames, has_chosen_frames=location.has_chosen_frames)
        calls_back = self.is_asynchronous and source.callback_url and self.options.uid
        if calls_back:
            parameters |= {
                "callback": source.callback_url,
                "seed": source.seed,
                "cryptType": self.options.crypt_type,
            }
        given = {
            "Service": self.service_code,
            "ServiceParameters": dumps({name: value for name, value in parameters.items() if value}),
        }
        if self.is_asynchronous:
            reference = read_accepted2(self.call_rpc("ImageAsyncModeration", query=given), where=self._at())
            poll_after = POLL_DESPITE_CALLBACK if calls_back else POLL_AFTER
            return Submission(
                reference=reference, poll_after=poll_after, judged_as=location.judged_as, size=location.size
            )
        judged = read_answer2(self.call_rpc("ImageModeration", form=given), where=self._at())
        return Submission(
            reference=judged.reference,
            verdict=judged.verdict(),
            poll_after=POLL_AFTER,
            judged_as=location.judged_as,
            size=location.size,
        )

    def fetch(self, reference: str) -> Verdict | None:
        try:
            payload = self.call_rpc("DescribeImageModerationResult", query={"ReqId": reference})
            return read_answer2(payload, where=self._at()).verdict()
        except ImageFailed as error:
            # The code of the answer is that of the task.
            raise of_result(error) from None

    def read_callback(self, fields: Mapping[str, str], seeds_of: Callable[[str], Sequence[str]]) -> Callback:
        return authenticated(self, fields, seeds_of, take_apart=read_callback2, read_verdict=self._read_verdict)

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        raise UnsupportedOperation(
            "Image Moderation 2.0 documents no operation for feedback. A provider of the first generation can carry "
            'it: name its alias in OPTIONS["feedback_provider"].'
        )

    def diagnose(self) -> str:
        ask_token2(self)
        how = "asynchronous" if self.is_asynchronous else "synchronous"
        return f"Image Moderation 2.0 at {self.host}, service {self.service_code}, {how}"

    def live_findings(self) -> Sequence[LiveFinding]:
        findings = ask_about_account(self, partial(ask_token2, self))
        region, service = ASYNCHRONOUS
        is_known = self.options.region == region and self.service_code.startswith(service)
        if self.is_asynchronous and not is_known:
            text = f"the asynchronous interface is documented for {region} with {service} alone"
            mend = 'If the test picture is not judged, set OPTIONS["is_asynchronous"] to False.'
            findings.append(LiveFinding(subject="service", text=text, soundness=Soundness.WARNING, mend=mend))
        return [*findings, *look_at_uid(self, is_asynchronous=self.is_asynchronous)]

    def live_advice(self) -> LiveAdvice:
        mend = (
            f'Is OPTIONS["service"], "{self.service_code}", spelt as the console spells it, and offered in '
            f'"{self.options.region}"?'
        )
        return advice(self, not_judged=mend)

    def callback_for(self, data_id: str, seed: str) -> Mapping[str, str]:
        if not self.is_asynchronous:
            raise UnsupportedOperation(f"{self!r} is not asked to call back: it answers at once.")
        content = {"Code": PROCESSING, "Msg": "a test of imgmod_doctor", "Data": {"DataId": data_id}}
        return {"ReqId": data_id, **signed_fields(self, ("Checksum", "Content"), content, seed)}

    def _read_verdict(self, element: Mapping[str, Any]) -> Verdict | None:
        answer = read_answer2(element, where=self._at()).answer
        return answer if isinstance(answer, Verdict) else None


def _place(location: Location) -> dict[str, str]:
    return {
        "imageUrl": location.url,
        "ossBucketName": location.bucket,
        "ossObjectName": location.object_name,
        "ossRegionId": location.region,
    }
