"""From a record to the bytes that it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.core.exceptions import FieldDoesNotExist
from django.core.files import File
from django.core.files.storage import Storage
from django.db.models import FileField
from django.urls import NoReverseMatch, reverse

from ..choices import ErrorCode
from ..conf import imgmod_settings
from ..decoding import read_facts
from ..exceptions import ImgmodConfigurationError, ProviderError, ProviderRefused
from ..models import ModerationRecord
from ..providers.addresses import in_ascii
from ..providers.base import BaseProvider
from ..redaction import redacted
from ..results import ImageSource
from ..seeds import callback_seed


def read_source(record: ModerationRecord, *, max_bytes: int) -> ImageSource:
    """
    Return the bytes of a record's file with what its header says.

    They are read once: what is hashed is what is judged, even when the file is overwritten meanwhile.

    Raises ``FileNotFoundError`` where the file is gone, ``ProviderRefused`` where it is larger than ``max_bytes``,
    ``ProviderError`` (retryable) where the storage fails otherwise.
    """
    return _read(_field_of(record).storage, record.file_name, data_id=str(record.public_id), max_bytes=max_bytes)


def read_content(record: ModerationRecord, *, max_bytes: int) -> bytes:
    """Return the bytes of a record's file and nothing about them. Raises as above."""
    return _content(_field_of(record).storage, record.file_name, max_bytes)


def open_file(record: ModerationRecord, *, max_bytes: int) -> File[bytes]:
    """Return a record's file, to be read from its beginning and closed by the caller. Raises as above."""
    storage = _field_of(record).storage
    with _storage_errors(record.file_name):
        byte_count = storage.size(record.file_name)
    if byte_count > max_bytes:
        raise _too_large(record.file_name, max_bytes)
    with _storage_errors(record.file_name):
        return storage.open(record.file_name, "rb")


def source_for(provider: BaseProvider, record: ModerationRecord) -> ImageSource:
    """Return what a provider is given of a record: its bytes, where they lie, where to answer. Raises as above."""
    return source_in(_field_of(record).storage, record.file_name, data_id=str(record.public_id), provider=provider)


def source_in(storage: Storage, file_name: str, *, data_id: str, provider: BaseProvider) -> ImageSource:
    """Return what a provider is given of a file. Raises as above."""
    source = _read(storage, file_name, data_id=data_id, max_bytes=provider.max_bytes)
    if provider.wants_url:
        source = replace(source, url=_url(storage, file_name))
    if callback_url := callback_address(provider.alias):
        seed = callback_seed(provider.alias, source.data_id)
        source = replace(source, callback_url=callback_url, seed=seed)
    return source


def judged_source_for(provider: BaseProvider, record: ModerationRecord) -> ImageSource | None:
    """Return a source again as it was judged; None where the file is gone or holds other bytes by now."""
    try:
        source = source_for(provider, record)
    except FileNotFoundError:
        return None
    return source if source.sha256 == record.sha256 else None


def _read(storage: Storage, file_name: str, *, data_id: str, max_bytes: int) -> ImageSource:
    content = _content(storage, file_name, max_bytes)
    return ImageSource(
        data_id=data_id,
        file_name=file_name,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        facts=read_facts(content),
    )


def _content(storage: Storage, file_name: str, max_bytes: int) -> bytes:
    with _opened(storage, file_name) as file:
        content: bytes = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise _too_large(file_name, max_bytes)
    return content


def _too_large(file_name: str, max_bytes: int) -> ProviderRefused:
    return ProviderRefused(
        f'The file "{file_name}" is larger than the {max_bytes:,} bytes that are accepted.', code=ErrorCode.TOO_LARGE
    )


def callback_address(alias: str) -> str:
    """
    Return the URL that a provider is told to call, in ASCII; empty where the site is not to be called.

    Raises ``ImgmodConfigurationError`` where the site has no address for that, or a host that cannot exist.
    """
    base = imgmod_settings.callback_base_url
    if base is None:
        return ""
    try:
        path = reverse("django_imgmod:callback", args=[alias])
    except NoReverseMatch as error:
        raise ImgmodConfigurationError(
            'IMGMOD["CALLBACK_BASE_URL"] is set, but the site has no address for callbacks. Add to its urls.py: '
            'path("imgmod/", include("django_imgmod.urls"))'
        ) from error
    try:
        return in_ascii(base.rstrip("/") + path)
    except ValueError as error:
        raise ImgmodConfigurationError(
            f'IMGMOD["CALLBACK_BASE_URL"] is {base!r}, of which the host cannot be looked up: {error}'
        ) from error


def _url(storage: Storage, file_name: str) -> str:
    try:
        return storage.url(file_name)
    except NotImplementedError:
        return ""
    except Exception as error:
        raise _StorageError(f'The file "{file_name}" has no URL: {redacted(error)}') from error


def read_digest(record: ModerationRecord) -> str:
    """Return the SHA-256 of the bytes that lie under a record's file name now. Raises as ``digest_of_file``."""
    return digest_of_file(_field_of(record).storage, record.file_name)


def digest_of_file(storage: Storage, file_name: str) -> str:
    """
    Return the SHA-256 of a file, whatever its size.

    Raises ``FileNotFoundError`` where it is gone, ``ProviderError`` (retryable) where the storage fails otherwise.
    """
    digest = hashlib.sha256()
    with _opened(storage, file_name) as file:
        for chunk in file.chunks():
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _opened(storage: Storage, file_name: str) -> Iterator[File[bytes]]:
    with _storage_errors(file_name), storage.open(file_name, "rb") as file:
        yield file


@contextmanager
def _storage_errors(file_name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise _StorageError(f'The file "{file_name}" cannot be read: {redacted(error)}') from error


class _StorageError(ProviderError):
    code = ErrorCode.STORAGE
    retryable = True


def _field_of(record: ModerationRecord) -> FileField:
    model = record.content_type.model_class()
    if model is None:
        raise ImgmodConfigurationError(
            f'The model "{record.content_type}" of record {record.public_id} is not installed any more.'
        )
    try:
        field = model._meta.get_field(record.field_name)
    except FieldDoesNotExist:
        field = None
    if not isinstance(field, FileField):
        raise ImgmodConfigurationError(f"{model._meta.label}.{record.field_name} is not a file field any more.")
    return field
