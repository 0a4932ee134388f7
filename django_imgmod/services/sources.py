"""From a record to the bytes that it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import FieldDoesNotExist
from django.core.files import File
from django.core.files.storage import Storage
from django.db.models import FileField

from ..choices import ErrorCode
from ..decoding import read_facts
from ..exceptions import ImgmodConfigurationError, ProviderError, ProviderRefused
from ..models import ModerationRecord
from ..results import ImageSource


def read_source(record: ModerationRecord, *, max_bytes: int) -> ImageSource:
    """
    Return the bytes of a record's file with what its header says.

    They are read once: what is hashed is what is judged, even when the file is overwritten meanwhile.

    Raises ``FileNotFoundError`` where the file is gone, ``ProviderRefused`` where it is larger than ``max_bytes``,
    ``ProviderError`` (retryable) where the storage fails otherwise.
    """
    with _opened(_field_of(record).storage, record.file_name) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ProviderRefused(
            f'The file "{record.file_name}" is larger than the {max_bytes:,} bytes that are accepted.',
            code=ErrorCode.TOO_LARGE,
        )
    return ImageSource(
        data_id=str(record.public_id),
        file_name=record.file_name,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        facts=read_facts(content),
    )


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
    try:
        with storage.open(file_name, "rb") as file:
            yield file
    except FileNotFoundError:
        raise
    except Exception as error:
        raise _StorageError(f'The file "{file_name}" cannot be read: {error}') from error


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
