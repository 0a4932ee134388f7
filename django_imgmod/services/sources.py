"""From a record to the bytes that it is about."""

from __future__ import annotations

import hashlib
import io
from typing import Final

from django.db.models import FileField
from PIL import Image

from ..choices import ErrorCode
from ..exceptions import ImgmodConfigurationError, ProviderError, ProviderRefused
from ..models import ModerationRecord
from ..results import ImageFacts, ImageSource

# Formats whose header is read for the facts. What a provider accepts is the provider's own list.
HEADER_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "ICO", "AVIF")


def read_source(record: ModerationRecord, *, max_bytes: int) -> ImageSource:
    """
    Return the bytes of a record's file with what its header says.

    They are read once: what is hashed is what is judged, even when the file is overwritten meanwhile.

    Raises ``FileNotFoundError`` where the file is gone, ``ProviderRefused`` where it is larger than ``max_bytes``,
    ``ProviderError`` (retryable) where the storage fails otherwise.
    """
    try:
        with _field_of(record).storage.open(record.file_name, "rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _StorageError(f'The file "{record.file_name}" cannot be read: {error}') from error
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


def read_facts(content: bytes) -> ImageFacts:
    """Return what the header of an image says, without decoding it; empty facts where it is none."""
    try:
        with Image.open(io.BytesIO(content), formats=HEADER_FORMATS) as image:
            width, height = image.size
            return ImageFacts(
                image_format=image.format or "",
                width=width,
                height=height,
                frame_count=getattr(image, "n_frames", 1),
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return ImageFacts()


class _StorageError(ProviderError):
    code = ErrorCode.STORAGE
    retryable = True


def _field_of(record: ModerationRecord) -> FileField:
    model = record.content_type.model_class()
    if model is None:
        raise ImgmodConfigurationError(
            f'The model "{record.content_type}" of record {record.public_id} is not installed any more.'
        )
    field = model._meta.get_field(record.field_name)
    if not isinstance(field, FileField):
        raise ImgmodConfigurationError(f"{model._meta.label}.{record.field_name} is not a file field any more.")
    return field
