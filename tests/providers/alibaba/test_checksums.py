import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.providers.alibaba import checksums
from django_imgmod.providers.alibaba.checksums import check_crypt_type, checksum, is_genuine

UID = "1234567890123456"
SEED = "seed_Abc123"
CONTENT = '{"code":200,"msg":"OK","dataId":"数据-1"}'


def has_sm3() -> bool:
    try:
        hashlib.new("sm3")
    except ValueError:
        return False
    return True


needs_sm3 = pytest.mark.skipif(not has_sm3(), reason="this OpenSSL has no SM3")


def test_sha256_is_the_plain_digest_of_all_three():
    whole = f"{UID}{SEED}{CONTENT}".encode()
    assert checksum(UID, SEED, CONTENT) == hashlib.sha256(whole).hexdigest()
    assert checksum("a", "b", "c", "SHA256") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@needs_sm3
def test_sm3_is_the_plain_digest_of_the_documented_example():
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert checksum("a", "b", "c", "SM3") == expected
    assert is_genuine(expected.upper(), "a", ["b"], "c", "SM3")


def test_genuine_in_either_case_and_with_any_of_the_seeds():
    made = checksum(UID, SEED, CONTENT)
    assert is_genuine(made, UID, [SEED], CONTENT)
    assert is_genuine(made.upper(), UID, iter(["new", SEED]), CONTENT)


@pytest.mark.parametrize(
    "change",
    [
        {"uid": "1"},
        {"seeds": ["other"]},
        {"seeds": []},
        {"content": CONTENT + " "},
        {"given": ""},
        {"given": "数据"},
        {"given": "\ud800"},
        {"given": "0" * 64},
        {"given": checksum(UID, SEED, CONTENT) + "0"},
        {"given": checksum(UID, SEED, CONTENT)[:-1]},
        {"content": "\ud800"},
    ],
)
def test_anything_else_is_not_genuine(change: dict[str, Any]):
    parts = {"given": checksum(UID, SEED, CONTENT), "uid": UID, "seeds": [SEED], "content": CONTENT, **change}
    assert is_genuine(**parts) is False


def test_a_checksum_of_another_type_is_not_genuine():
    made = checksum(UID, SEED, CONTENT)
    assert not has_sm3() or not is_genuine(made, UID, [SEED], CONTENT, "SM3")


def test_all_seeds_are_compared_whatever_matches(monkeypatch):
    compared: list[bytes] = []

    def compare_digest(computed: bytes, given: bytes) -> bool:
        compared.append(computed)
        return computed == given

    monkeypatch.setattr(checksums.hmac, "compare_digest", compare_digest)
    assert is_genuine(checksum(UID, SEED, CONTENT), UID, [SEED, "b", "c"], CONTENT)
    assert len(compared) == 3


@pytest.mark.parametrize("crypt_type", ["MD5", "sha256", ""])
def test_unknown_type_says_which_there_are(crypt_type):
    with pytest.raises(ImgmodConfigurationError, match="SHA256, SM3"):
        check_crypt_type(crypt_type)


def test_missing_sm3_says_what_to_do(monkeypatch):
    def new(name: str, content: bytes) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(checksums.hashlib, "new", new)
    with pytest.raises(ImgmodConfigurationError, match='Set it to "SHA256"'):
        check_crypt_type("SM3")


@given(st.text(), st.text(), st.lists(st.text(), max_size=3), st.text())
def test_noise_is_never_genuine(given, uid, seeds, content):
    assert not is_genuine(given, uid, seeds, content)
