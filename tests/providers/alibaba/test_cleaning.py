import json
import time

import pytest

from django_imgmod.providers.alibaba.cleaning import MAX_DESCRIPTION, cleaned, cleaned_text, said, shortened

from .strange import nested


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://b.oss.example/a%20b.jpg?Expires=1&Signature=s3cr3t", "https://b.oss.example/a%20b.jpg?…"),
        ("see HTTP://h/p?k=s3cr3t and oss://b/k#s3cr3t now", "see HTTP://h/p?… and oss://b/k?… now"),
        ("https://user:s3cr3t@host/p", "https://host/p"),
        ("https://host/p@v2", "https://host/p@v2"),
        ('{"url":"http:\\/\\/h\\/1.jpg?s3cr3t"}', '{"url":"http:\\/\\/h\\/1.jpg?…"}'),
        ("b.oss.example/x?OSSAccessKeyId=s3cr3t&x", "b.oss.example/x?OSSAccessKeyId=…&x"),
        ("x-oss-signature=s3cr3t", "x-oss-signature=…"),
        ("sign is:POST\nx-acs-security-token:s3cr3t\n/green", "sign is:POST\nx-acs-security-token:…\n/green"),
        ('{"SecurityToken": "s3cr3t"}', '{"SecurityToken": "…"}'),
        ("https://host/path", "https://host/path"),
        ("Is it? Yes.", "Is it? Yes."),
        ("Specified signature is not matched.", "Specified signature is not matched."),
    ],
)
def test_what_lets_others_in_is_cut(text, kept):
    assert cleaned_text(text) == kept


def test_secrets_are_cut_in_any_depth_and_by_name():
    given = {
        "Frame": [{"TempUrl": "http://h/1.jpg", "tepmUrl": "http://h/2.jpg", "Result": []}],
        "frames": [{"rate": 1.5, "url": "http://h/3.jpg?s3cr3t"}],
        "AccessKeySecret": "s3cr3t",
        "http://h/?s3cr3t": None,
    }
    assert cleaned(given) == {
        "Frame": [{"Result": []}],
        "frames": [{"rate": 1.5, "url": "http://h/3.jpg?…"}],
        "http://h/?…": None,
    }


def test_nesting_is_cut_where_json_could_no_longer_be_written():
    assert "bottom" not in json.dumps(cleaned(nested(5000)))
    assert cleaned(nested(5)) == nested(5)


@pytest.mark.parametrize("text", ["http://" * 300_000, "x-oss-" * 300_000, "signature" * 200_000, "?" * 2_000_000])
def test_long_texts_take_no_long_time(text):
    started_at = time.monotonic()
    cleaned_text(text)
    assert time.monotonic() - started_at < 5


def test_what_is_shown_is_bounded_and_in_one_line():
    assert shortened("a\r\n\x1b[31m\x00\ud800b") == "a   [31m  b"
    assert len(shortened("x" * 999)) == MAX_DESCRIPTION
    assert shortened("x" * MAX_DESCRIPTION) == "x" * MAX_DESCRIPTION


def test_words_are_quoted_without_secrets():
    assert said("cannot fetch http://h/p?Signature=s3cr3t") == "cannot fetch http://h/p?…"
    assert said(None) == said({"a": 1}) == ""
