from django.db import migrations, models

from ._operations import AddIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):
    # On PostgreSQL an index can be made beside running writers only outside a transaction.
    atomic = False

    dependencies = [("django_imgmod", "0002_operations")]

    operations = [
        AddIndexOnline(
            model_name="moderationrecord",
            index=models.Index(fields=["provider", "due_at"], name="imgmod_record_provider_due"),
        ),
        AddIndexOnline(
            model_name="moderationrecord",
            index=models.Index(fields=["provider", "verdict_at"], name="imgmod_record_verdict"),
        ),
        RemoveIndexOnline(model_name="moderationrecord", name="imgmod_record_due"),
    ]
