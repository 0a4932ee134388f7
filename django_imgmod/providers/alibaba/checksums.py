"""
The checksum of a callback: the digest of account id, seed and content, one after the other, in hexadecimal.

It is no signature over a key: its strength is the seed alone. Source: "Configure notifications" and the parameters
``seed`` and ``cryptType`` of the asynchronous operations. They speak of HMAC in places, but name no key, and their own
example for SM3 is the plain digest.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from ...exceptions import ImgmodConfigurationError

# By what Alibaba Cloud calls it: by what hashlib does.
CRYPT_TYPES: Final[Mapping[str, str]] = {"SHA256": "sha256", "SM3": "sm3"}


def checksum(uid: str, seed: str, content: str, crypt_type: str = "SHA256") -> str:
    """
    Return the checksum, in small letters, of content that is exactly as it came out of the form.

    Raises ``ImgmodConfigurationError`` for a type that is not known, and for SM3 where this Python lacks it.
    """
    return _digest(f"{uid}{seed}", _encoded(content), crypt_type)


def is_genuine(given: str, uid: str, seeds: Iterable[str], content: str, crypt_type: str = "SHA256") -> bool:
    """
    Return whether a checksum was made with one of the seeds, in a time that does not tell how far it agrees.

    The letters of ``given`` may be large or small, and it may hold anything. Raises as ``checksum`` does.
    """
    letters, body = _encoded(given.lower()), _encoded(content)
    matches = [hmac.compare_digest(_digest(f"{uid}{seed}", body, crypt_type).encode(), letters) for seed in seeds]
    return any(matches)


def check_crypt_type(crypt_type: str) -> None:
    """Raise ``ImgmodConfigurationError`` where checksums of this type cannot be computed."""
    _digest("", b"", crypt_type)


def _digest(start: str, content: bytes, crypt_type: str) -> str:
    if crypt_type not in CRYPT_TYPES:
        raise ImgmodConfigurationError(f'"crypt_type" must be one of {", ".join(CRYPT_TYPES)}, not {crypt_type!r}.')
    try:
        digest = hashlib.new(CRYPT_TYPES[crypt_type], _encoded(start))
    except ValueError:
        raise ImgmodConfigurationError(
            f'"crypt_type" is {crypt_type}, which the OpenSSL of this Python does not have. Set it to "SHA256".'
        ) from None
    digest.update(content)
    return digest.hexdigest()


def _encoded(text: str) -> bytes:
    # Half a surrogate pair is no character, but a stranger may well send one.
    return text.encode("utf-8", "surrogatepass")
