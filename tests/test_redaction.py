"""What errors of strangers say: nothing of it lets anybody in."""

from __future__ import annotations

import logging

import pytest

from django_imgmod.redaction import in_words, redacted

SECRET = "S3cr3t"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("403 GET https://bucket.example/a.jpg?X-Amz-Signature=S3cr3t", "403 GET https://bucket.example/a.jpg?…"),
        ("https://user:S3cr3t@bucket.example/a.jpg is gone", "https://bucket.example/a.jpg is gone"),
        ("postgres://site:S3cr3t@db/site is down", "postgres://db/site is down"),
        ('<a href="https://a.example/x#S3cr3t">', '<a href="https://a.example/x?…">'),
        (r'{"url": "https:\/\/a.example\/x?q=S3cr3t"}', r'{"url": "https:\/\/a.example\/x?…"}'),
        ("x-amz-security-token: S3cr3t", "x-amz-security-token: …"),
        ("signature=S3cr3t&a=1", "signature=…&a=1"),
        ("{'password': 'S3cr3t'}", "{'password': '…'}"),
        ("No such key: photos/a.jpg", "No such key: photos/a.jpg"),
        ("What? 1 = 2: no", "What? 1 = 2: no"),
        ("", ""),
    ],
)
def test_redacted(said, shown):
    assert redacted(said) == shown


def test_in_words():
    assert in_words(OSError(f"https://a.example/?{SECRET}")) == "OSError: https://a.example/?…"


def test_traceback_in_the_log(caplog):
    formatter = logging.Formatter()
    try:
        raise OSError(f"GET https://a.example/x?signature={SECRET}")
    except OSError:
        logging.getLogger("django_imgmod").exception("work=failed")
    [record] = caplog.records
    text = formatter.format(record)
    assert "OSError: GET https://a.example/x?…" in text
    assert SECRET not in text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("length", [1, 40, 20_000])
def test_long_texts_take_no_time(length):
    """Each letter is looked at a few times at most: no pattern goes back and forth."""
    for text in ("https://" * length, "a" * 50 * length, "-token" * length, "signature" * length):
        assert len(redacted(text)) <= len(text) + length * 2
