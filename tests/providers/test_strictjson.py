"""JSON from strangers."""

import pytest

from django_imgmod.providers.strictjson import parsed


@pytest.mark.parametrize(
    "given", ['{"a": ["ü", 1.5, null]}', '{"a": ["ü", 1.5, null]}'.encode(), b'{"a":["\xc3\xbc",1.5,null]}']
)
def test_text_and_bytes_are_read(given):
    assert parsed(given) == {"a": ["ü", 1.5, None]}


def test_mark_of_utf_8_is_no_hindrance():
    assert parsed(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "{",
        "{} {}",
        "NaN",
        '{"confidence": NaN}',
        "[Infinity]",
        "[-Infinity]",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        b'"\xfc"',
        b'"\xed\xa0\x80"',
        '"a"'.encode("utf-16"),
    ],
    ids=range(13),
)
def test_all_else_is_an_error_of_one_kind(given):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        parsed(given)
