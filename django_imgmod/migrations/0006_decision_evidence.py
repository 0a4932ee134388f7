from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_imgmod", "0005_cheaper_changes"),
    ]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="reason_before",
            field=models.TextField(blank=True, null=True, verbose_name="reason before"),
        ),
        migrations.AddField(
            model_name="decision",
            name="status_before",
            field=models.CharField(
                blank=True,
                choices=[
                    ("pending", "Waiting to be judged"),
                    ("submitted", "Being judged"),
                    ("in_review", "In review"),
                    ("passed", "Passed"),
                    ("blocked", "Blocked"),
                    ("superseded", "Superseded"),
                ],
                db_default="",
                default="",
                max_length=10,
                verbose_name="status before",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="version",
            field=models.PositiveIntegerField(
                editable=False,
                help_text="The version of the record that was decided about.",
                null=True,
                verbose_name="version",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="was_shadow",
            field=models.BooleanField(db_default=False, default=False, verbose_name="was in the shadow"),
        ),
    ]
