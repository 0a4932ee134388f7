"""What Django's admin finds by itself, and what a host's own admin inherits from."""

from .editors.filters import ModerationStatusFilter
from .editors.mixin import ModeratedImageAdminMixin
from .providers import ProviderStateAdmin
from .records import ModerationRecordAdmin

__all__ = ["ModeratedImageAdminMixin", "ModerationRecordAdmin", "ModerationStatusFilter", "ProviderStateAdmin"]
