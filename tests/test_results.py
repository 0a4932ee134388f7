import pytest

from django_imgmod.results import Detection, ImageSource, PixelRegion, Region, Submission


@pytest.mark.parametrize("confidence", [-0.01, 100.01, float("nan")])
def test_confidence_is_0_to_100(confidence):
    with pytest.raises(ValueError, match="0 to 100 or None"):
        Detection(label="a", confidence=confidence)


def test_detection_needs_a_label():
    with pytest.raises(ValueError, match="needs a label"):
        Detection(label="")


@pytest.mark.parametrize("region", [(-0.1, 0, 1, 1), (0, 0, 1.1, 1), (0, float("nan"), 1, 1)])
def test_region_is_a_part_of_the_picture(region):
    with pytest.raises(ValueError, match=r"fractions from 0 to 1, not .* \(a\)"):
        Detection(label="a", regions=(Region(*region),))


@pytest.mark.parametrize(
    ("pixels", "region"),
    [
        ((50, 20, 25, 5), (0.25, 0.2, 0.125, 0.05)),
        ((0, 0, 200, 100), (0, 0, 1, 1)),
        # Beyond the edges there is no picture.
        ((-50, -20, 100, 40), (0, 0, 0.25, 0.2)),
        ((150, 90, 500, 500), (0.75, 0.9, 0.25, 0.1)),
        ((200, 0, 10, 10), None),
        ((-20, 0, 20, 10), None),
        ((0, 0, 0, 10), None),
        ((0, 5, 10, -5), None),
        ((float("nan"), 0, 10, 10), None),
    ],
)
def test_pixels_are_a_part_of_the_picture(pixels, region):
    found = PixelRegion(*pixels).within((200, 100))
    assert found == (None if region is None else pytest.approx(Region(*region)))


def test_submission_needs_a_verdict_or_a_reference():
    with pytest.raises(ValueError, match="a verdict or a reference"):
        Submission()


def test_source_does_not_show_its_bytes():
    source = ImageSource(data_id="1", file_name="a.png", content=b"secret", sha256="0")
    assert "secret" not in repr(source)
    assert source.byte_count == 6
