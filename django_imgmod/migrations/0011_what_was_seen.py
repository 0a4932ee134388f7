"""Keep what of policy and verdict was seen by whoever decided. Nothing is rewritten, and old code goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_imgmod", "0010_last_accepted_name"),
    ]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="seen_confidence",
            field=models.DecimalField(
                decimal_places=2, editable=False, max_digits=5, null=True, verbose_name="confidence that was seen"
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="seen_label",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=100,
                verbose_name="label that was seen",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="seen_policy",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=50,
                verbose_name="policy that was seen",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="seen_risk_level",
            field=models.CharField(
                blank=True,
                choices=[
                    ("high", "High"),
                    ("medium", "Medium"),
                    ("low", "Low"),
                    ("none", "None"),
                    ("unknown", "Unknown"),
                ],
                db_default="",
                default="",
                editable=False,
                max_length=7,
                verbose_name="risk level that was seen",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="seen_verdict_at",
            field=models.DateTimeField(
                editable=False,
                help_text="Of the verdict that was seen; empty without any.",
                null=True,
                verbose_name="verdict at",
            ),
        ),
    ]
