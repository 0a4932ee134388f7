"""How one record is told in a cell of the list or a line of its page. File names and labels are untrusted text."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Final

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.formats import date_format, time_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext_lazy as _

from ..models import ModerationRecord
from .links import change_url

FILE_NAME_CHARACTERS: Final = 40
REASON_CHARACTERS: Final = 90


class RecordColumns:
    """The computed columns of ``ModerationRecordAdmin``."""

    if TYPE_CHECKING:
        admin_site: admin.AdminSite

        def get_empty_value_display(self) -> SafeString: ...

    @admin.display(description=_("picture"))
    def blurred_picture(self, record: ModerationRecord) -> SafeString:
        return self._picture(record, "imgmod-picture imgmod-picture-blurred")

    @admin.display(description=_("picture"))
    def shown_picture(self, record: ModerationRecord) -> SafeString:
        return self._picture(record, "imgmod-picture")

    def _picture(self, record: ModerationRecord, css_class: str) -> SafeString:
        return format_html(
            '<img class="{}" src="{}" alt="{}" loading="lazy">',
            css_class,
            reverse("admin:django_imgmod_moderationrecord_preview", args=[record.pk], current_app=self.admin_site.name),
            _("Preview of %(file)s") % {"file": record.file_name},
        )

    @admin.display(description=_("image"))
    def image(self, record: ModerationRecord) -> SafeString:
        return format_html(
            '<span title="{}">{}</span> <span class="imgmod-second">{}</span>',
            record.file_name,
            Truncator(posixpath.basename(record.file_name)).chars(FILE_NAME_CHARACTERS),
            _("%(object)s, %(field)s") % {"object": self.owner(record), "field": record.field_name},
        )

    @admin.display(description=_("object"))
    def owner(self, record: ModerationRecord) -> str:
        return f"{capfirst(record.content_type.name)} {record.object_id}"

    @admin.display(description=_("status"))
    def badge(self, record: ModerationRecord) -> SafeString:
        return format_html(
            '<span class="imgmod-badge imgmod-badge-{}">{}</span>', record.status, record.get_status_display()
        )

    @admin.display(description=_("risk level, top label"))
    def risk_and_label(self, record: ModerationRecord) -> SafeString | str:
        if not record.risk_level:
            return self.get_empty_value_display()
        return format_html(
            '<span class="imgmod-risk-{}">{}</span> <span class="imgmod-second">{}</span>',
            record.risk_level,
            record.get_risk_level_display(),
            self.seen(record) if record.top_label else "",
        )

    @admin.display(description=_("top label"))
    def seen(self, record: ModerationRecord) -> SafeString | str:
        if not record.top_label:
            return self.get_empty_value_display()
        confidence = _("no confidence given") if record.top_confidence is None else record.top_confidence
        return format_html('{} <span class="imgmod-confidence">{}</span>', record.top_label, confidence)

    @admin.display(description=_("reason"))
    def short_reason(self, record: ModerationRecord) -> str:
        return Truncator(record.reason or record.error_message).chars(REASON_CHARACTERS)

    @admin.display(description=_("created at"))
    def created(self, record: ModerationRecord) -> SafeString:
        created_at = localtime(record.created_at) if is_aware(record.created_at) else record.created_at
        return format_html(
            '<time datetime="{}">{} <span class="imgmod-second">{}</span></time>',
            created_at.isoformat(),
            date_format(created_at),
            time_format(created_at, "TIME_FORMAT"),
        )

    @admin.display(description=_("looked for"))
    def looked_for(self, record: ModerationRecord) -> str:
        return ", ".join(map(str, record.evaluated)) or self.get_empty_value_display()

    @admin.display(description=_("reused from"))
    def reused_record(self, record: ModerationRecord) -> SafeString | str:
        earlier = record.reused_from
        if earlier is None:
            return self.get_empty_value_display()
        return format_html('<a href="{}">{}</a>', change_url(self.admin_site, earlier), earlier)

    @admin.display(description=_("picture"))
    def dimensions(self, record: ModerationRecord) -> str:
        return dimensions_of(record) or self.get_empty_value_display()

    @admin.display(description=_("raw answer"))
    def pretty_raw(self, record: ModerationRecord) -> SafeString | str:
        if not record.raw:
            return self.get_empty_value_display()
        return format_html('<pre class="imgmod-raw">{}</pre>', json.dumps(record.raw, indent=2, ensure_ascii=False))


def dimensions_of(record: ModerationRecord) -> str:
    """Return format, size and number of frames, as far as they are known."""
    parts = [record.image_format]
    if record.width and record.height:
        parts.append(f"{record.width} x {record.height}")
    if record.frame_count and record.frame_count > 1:
        parts.append(_("%(count)s frames") % {"count": record.frame_count})
    if record.byte_count is not None:
        parts.append(filesizeformat(record.byte_count))
    return ", ".join(filter(None, parts))
