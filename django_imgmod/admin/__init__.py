"""What Django's admin finds by itself."""

from .records import ModerationRecordAdmin

__all__ = ["ModerationRecordAdmin"]
