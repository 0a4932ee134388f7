from django.db import migrations, models

import django_imgmod.models.ordering

from ._operations import AddIndexOnline


class Migration(migrations.Migration):
    # On PostgreSQL an index can be made beside running writers only outside a transaction.
    atomic = False

    dependencies = [("django_imgmod", "0007_review_desk")]

    operations = [
        AddIndexOnline(
            model_name="decision",
            index=models.Index(fields=["decided_at"], name="imgmod_decision_at"),
        ),
        AddIndexOnline(
            model_name="decision",
            index=models.Index(fields=["batch"], name="imgmod_decision_batch"),
        ),
        AddIndexOnline(
            model_name="moderationrecord",
            index=models.Index(fields=["uploaded_by", "status"], name="imgmod_record_uploader"),
        ),
        AddIndexOnline(
            model_name="moderationrecord",
            index=models.Index(
                models.F("lane"),
                django_imgmod.models.ordering.RiskOrder("risk_level"),
                models.F("created_at"),
                models.F("id"),
                django_imgmod.models.ordering.ClaimEnd("claimed_until"),
                condition=models.Q(("status", "in_review")),
                name="imgmod_record_review",
            ),
        ),
        AddIndexOnline(
            model_name="moderationrecord",
            index=models.Index(
                models.F("lane"),
                models.F("created_at"),
                models.F("id"),
                django_imgmod.models.ordering.ClaimEnd("claimed_until"),
                condition=models.Q(("status", "in_review")),
                name="imgmod_record_review_age",
            ),
        ),
    ]
