"""Upload, decide and take back as users of a model of the site's own; run by a test in a process of its own."""

from __future__ import annotations

import io
import tempfile
import uuid

import django
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.management import call_command
from PIL import Image


def picture(number: int) -> ContentFile[bytes]:
    output = io.BytesIO()
    Image.linear_gradient("L").resize((48, 32 + number)).save(output, "PNG")
    return ContentFile(output.getvalue(), name="picture.png")


def main() -> None:
    django.setup()
    # Models can be imported only now.
    from django_imgmod.choices import Outcome, Status
    from django_imgmod.models import ModerationRecord
    from django_imgmod.services.review.batches import Seen, decide_batch, undo_batch
    from tests.members.models import Member, Post

    call_command("check", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        settings.MEDIA_ROOT = folder
        author = Member.objects.create(username="author", avatar=picture(1))
        Post.objects.create(author=author, cover=picture(2))
        Post.objects.create(author_id=str(author.pk), cover=picture(3))
        Post.objects.create(cover=picture(4))
        records = list(ModerationRecord.objects.order_by("pk"))
        assert [record.uploaded_by for record in records] == [author, author, author, None], records
        assert {record.status for record in records} == {Status.IN_REVIEW}
        seen = [Seen(record.public_id, record.version) for record in records]
        author.is_superuser = True
        own = decide_batch(author, seen, Outcome.BLOCK, using="default")
        assert own.decided_count == 1, own
        moderator = Member.objects.create(username="moderator", is_superuser=True)
        batch = decide_batch(moderator, seen[:3], Outcome.BLOCK, using="default")
        assert batch.decided_count == 3, batch
        assert isinstance(batch.id, uuid.UUID)
        assert undo_batch(moderator, batch.id, using="default").decided_count == 3
        author.delete()
        assert not ModerationRecord.objects.exclude(uploaded_by=None).exists()
    print("played")  # noqa: T201 - for the test that runs this


if __name__ == "__main__":
    main()
