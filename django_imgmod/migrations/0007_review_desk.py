import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("django_imgmod", "0006_decision_evidence"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Appeal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(blank=True, verbose_name="the editor's words")),
                ("appealed_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="appealed at")),
            ],
            options={
                "verbose_name": "appeal",
                "verbose_name_plural": "appeals",
            },
        ),
        migrations.CreateModel(
            name="Exposure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(verbose_name="day")),
                ("revealed_count", models.PositiveIntegerField(default=0, verbose_name="pictures revealed")),
            ],
            options={
                "verbose_name": "exposure",
                "verbose_name_plural": "exposures",
            },
        ),
        migrations.CreateModel(
            name="ReviewPreference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("choices", models.JSONField(blank=True, default=dict, verbose_name="choices")),
            ],
            options={
                "verbose_name": "review preference",
                "verbose_name_plural": "review preferences",
            },
        ),
        migrations.AlterModelOptions(
            name="moderationrecord",
            options={
                "permissions": [
                    ("review_moderationrecord", "Can decide about images"),
                    ("review_escalated_moderationrecord", "Can decide about escalated images"),
                ],
                "verbose_name": "moderation record",
                "verbose_name_plural": "moderation records",
            },
        ),
        migrations.AddField(
            model_name="decision",
            name="batch",
            field=models.UUIDField(
                editable=False,
                help_text="The same for decisions that were one: by one key, at once.",
                null=True,
                verbose_name="batch",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="lane_before",
            field=models.CharField(
                choices=[("first", "Review"), ("escalated", "Escalated"), ("appealed", "Appeals")],
                db_default="first",
                default="first",
                max_length=9,
                verbose_name="queue before",
            ),
        ),
        migrations.AddField(
            model_name="moderationrecord",
            name="lane",
            field=models.CharField(
                choices=[("first", "Review"), ("escalated", "Escalated"), ("appealed", "Appeals")],
                db_default="first",
                default="first",
                help_text="Where it waits for a person while it is in review.",
                max_length=9,
                verbose_name="queue",
            ),
        ),
        migrations.AddField(
            model_name="moderationrecord",
            name="uploaded_by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="Known where the watched field names its uploader.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="uploaded by",
            ),
        ),
        migrations.AddField(
            model_name="appeal",
            name="appealed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="appealed by",
            ),
        ),
        migrations.AddField(
            model_name="appeal",
            name="decision",
            field=models.ForeignKey(
                blank=True,
                help_text="What the appeal is against; empty where a provider's verdict blocked the image.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="django_imgmod.decision",
                verbose_name="first decision",
            ),
        ),
        migrations.AddField(
            model_name="appeal",
            name="record",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="appeal",
                to="django_imgmod.moderationrecord",
                verbose_name="record",
            ),
        ),
        migrations.AddField(
            model_name="appeal",
            name="resolution",
            field=models.OneToOneField(
                blank=True,
                help_text="The decision that upheld or overturned; empty while the appeal is open.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="resolved_appeal",
                to="django_imgmod.decision",
                verbose_name="resolution",
            ),
        ),
        migrations.AddField(
            model_name="exposure",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddField(
            model_name="reviewpreference",
            name="user",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddConstraint(
            model_name="exposure",
            constraint=models.UniqueConstraint(fields=("user", "day"), name="imgmod_exposure_day"),
        ),
    ]
