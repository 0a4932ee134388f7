"""What the processes that do the work have to agree about."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..choices import Circuit, ErrorCode
from .records import ALIAS_LENGTH


class ProviderState(models.Model):
    """
    How a provider fares, for all processes: its circuit, and when it may be called again.

    All times are the database's.
    """

    provider = models.CharField(_("provider"), max_length=ALIAS_LENGTH, unique=True)
    circuit = models.CharField(_("circuit"), max_length=9, choices=Circuit, default=Circuit.CLOSED)
    failure_count = models.PositiveIntegerField(
        _("failures"), default=0, help_text=_("How many calls failed one after the other.")
    )
    changed_at = models.DateTimeField(_("changed at"), null=True, blank=True, help_text=_("When the circuit changed."))
    retry_at = models.DateTimeField(
        _("retry at"), null=True, blank=True, help_text=_("When the next probe may be sent, unless it is closed.")
    )
    error_code = models.CharField(_("error"), max_length=20, choices=ErrorCode, blank=True)
    error_message = models.TextField(_("error message"), blank=True)
    next_call_at = models.DateTimeField(
        _("next call at"), null=True, blank=True, help_text=_("Until then the provider asks to be left alone.")
    )
    alarmed_at = models.DateTimeField(
        _("alarmed at"), null=True, blank=True, help_text=_("When it was noticed that verdicts stay away.")
    )

    class Meta:
        verbose_name = _("provider state")
        verbose_name_plural = _("provider states")

    def __str__(self) -> str:
        return f"{self.provider}: {self.get_circuit_display()}"


class ProviderSlot(models.Model):
    """
    A share of a provider's rate: its calls, made by whichever process, begin an interval apart.

    There are as many as calls are allowed in a second. The time is the database's.
    """

    provider = models.CharField(_("provider"), max_length=ALIAS_LENGTH)
    number = models.PositiveIntegerField(_("number"))
    free_at = models.DateTimeField(_("free at"), help_text=_("No call begins before."))

    class Meta:
        verbose_name = _("provider slot")
        verbose_name_plural = _("provider slots")
        constraints = [models.UniqueConstraint(fields=["provider", "number"], name="imgmod_provider_slot")]

    def __str__(self) -> str:
        return f"{self.provider}: {self.number}"


class ReconcilePass(models.Model):
    """
    How far the periodic comparison of rows and records has come in one watched field of one database.

    It goes on where it stopped, in whichever process comes next.
    """

    field = models.CharField(_("field"), max_length=200, help_text=_("app.Model.field"))
    database = models.CharField(_("database"), max_length=100)
    phase = models.PositiveSmallIntegerField(_("phase"), default=0)
    position = models.TextField(_("position"), blank=True, help_text=_("The last key that was looked at."))
    due_at = models.DateTimeField(_("due at"), help_text=_("When the next slice may be taken."))
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True, help_text=_("The last whole pass."))
    found_count = models.PositiveIntegerField(
        _("found"), default=0, help_text=_("What was mended in the present pass, or else in the last.")
    )

    old_until = models.TextField(
        _("old until"), blank=True, help_text=_("The highest key there was when the first pass began.")
    )
    left_count = models.PositiveIntegerField(
        _("left"),
        default=0,
        help_text=_(
            "Images in the present pass, or else in the last, that are older than the app and were left alone."
        ),
    )
    is_complete = models.BooleanField(
        _("complete"), default=False, help_text=_("Whether a pass has seen a record, present or past, for every image.")
    )

    class Meta:
        verbose_name = _("reconcile pass")
        verbose_name_plural = _("reconcile passes")
        constraints = [models.UniqueConstraint(fields=["field", "database"], name="imgmod_reconcile_pass")]

    def __str__(self) -> str:
        return f"{self.field} ({self.database})"
