"""What Django's admin finds by itself."""

from .providers import ProviderStateAdmin
from .records import ModerationRecordAdmin

__all__ = ["ModerationRecordAdmin", "ProviderStateAdmin"]
