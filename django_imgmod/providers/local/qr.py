"""QR codes, read by zxing-cpp."""

from __future__ import annotations

from typing import Any, Final

from PIL import Image

from ...choices import RiskLevel
from ...results import Detection, Region
from .detectors import Findings
from .options import EngineOptions

MAX_CODES: Final = 16
MAX_TEXT: Final = 240


class QRCodeDetector:
    """Finds QR codes, one detection a code, and says what is in them."""

    name = "qr"
    evaluates = ("QR codes",)
    # A code of a tenth of the shorter side still has two pixels a module.
    preferred_side = 768
    version = "1"

    def __init__(self, options: EngineOptions) -> None:
        pass

    def detect(self, picture: Image.Image) -> Findings:
        import numpy as np
        import zxingcpp

        grey = np.asarray(picture.convert("L"))
        codes = zxingcpp.read_barcodes(grey, formats=zxingcpp.barcode_formats_from_str("QRCode"))
        texts = [_plain(code.text) for code in codes[:MAX_CODES]]
        detections = [
            Detection(
                label="qrcode_qrcode",
                # A code that was read has passed its own error correction.
                confidence=99.0,
                description=f"QR code: {text}",
                risk_level=RiskLevel.MEDIUM,
                regions=(_region(code.position, picture),),
            )
            for code, text in zip(codes, texts, strict=False)
        ]
        return Findings(detections=detections, raw={"count": len(codes), "texts": texts})


def _region(position: Any, picture: Image.Image) -> Region:
    """Return the rectangle around a code's corners, which may lie a little outside of the picture."""
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    across = [min(max(corner.x / picture.width, 0.0), 1.0) for corner in corners]
    down = [min(max(corner.y / picture.height, 0.0), 1.0) for corner in corners]
    return Region(min(across), min(down), max(across) - min(across), max(down) - min(down))


def _plain(text: str) -> str:
    """Return what a stranger wrote so that it can be stored and shown: bounded, without control characters."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:MAX_TEXT])
