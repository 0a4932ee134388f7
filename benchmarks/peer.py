"""
What moderation costs the save of a new image, here and in django-moderation.

django-moderation 0.8.0 does not run on the versions of Django that we support, so it gets an environment of its own,
with Django 4.2; both take turns at the same work on SQLite. Needs a package index.

    python benchmarks/peer.py
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REQUIREMENTS = ("Django~=4.2.0", "django-moderation==0.8.0", "Pillow")


def peer() -> None:
    """Inside django-moderation's environment: answer each number on standard input with two times in ms."""
    import django
    from django.conf import settings

    folder = sys.argv[2]
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sites", "moderation"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/peer.sqlite3"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MEDIA_ROOT=f"{folder}/peer-media",
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command
    from django.db import connection, models
    from moderation import moderation
    from moderation.moderator import GenericModerator

    def model(name: str) -> type[models.Model]:
        fields = {
            "title": models.CharField(max_length=100, blank=True),
            "image": models.ImageField(upload_to="photos", blank=True),
            "__module__": __name__,
            "Meta": type("Meta", (), {"app_label": "sites"}),
        }
        return type(name, (models.Model,), fields)

    bare, moderated = model("BarePhoto"), model("ModeratedPhoto")
    # Without the mail that it would send at every save.
    silent = type("Silent", (GenericModerator,), {"notify_moderator": False, "notify_user": False})
    moderation.register(moderated, silent)
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(bare)
        editor.create_model(moderated)
    content = Path(folder, "photo.jpg").read_bytes()
    for line in sys.stdin:
        count = int(line)
        print(measure(moderated, content, count), measure(bare, content, count), flush=True)


def measure(model: Callable[..., object], content: bytes, count: int) -> float:
    """Milliseconds for each of ``count`` creates in one transaction, which is then rolled back."""
    from django.core.files.base import ContentFile
    from django.db import transaction

    gc.collect()
    with transaction.atomic():
        start = time.perf_counter()
        for _ in range(count):
            photo = model(title="benchmark")
            photo.image.save("benchmark.jpg", ContentFile(content), save=False)
            photo.save()
        elapsed = time.perf_counter() - start
        transaction.set_rollback(True)
    return elapsed / count * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--saves", type=int, default=40, help="saves a round")
    options = parser.parse_args()

    sys.path.insert(0, str(Path(__file__).parent))
    import save
    from django.db import connection

    folder = save.WORK.name
    Path(folder, "photo.jpg").write_bytes(save.CONTENT)
    environment = tempfile.mkdtemp(dir=folder)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = f"{environment}/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
    variables = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO")}
    command = [python, "-W", "ignore", __file__, "--peer", folder]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)
    assert process.stdin is not None
    assert process.stdout is not None

    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    rows = []
    try:
        for number in range(options.rounds + 1):
            process.stdin.write(f"{options.saves}\n")
            process.stdin.flush()
            theirs, their_bare = map(float, process.stdout.readline().split())
            ours = measure(save.Photo, save.CONTENT, options.saves)
            with save.override_settings(IMGMOD=save.EXCLUDED):
                our_bare = measure(save.Photo, save.CONTENT, options.saves)
            if number:  # the first round only warms up
                rows.append((ours, our_bare, theirs, their_bare))
    finally:
        process.stdin.close()
        process.wait()
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)

    ours, our_bare, theirs, their_bare = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"SQLite, a JPEG of {len(save.CONTENT) // 1024} KiB, {options.rounds} rounds of {options.saves} saves")
    print(f"  django-imgmod      {ours:7.3f} ms a save, {ours - our_bare:7.3f} ms more than without")
    print(f"  django-moderation  {theirs:7.3f} ms a save, {theirs - their_bare:7.3f} ms more than without")
    added = statistics.median((row[0] - row[1]) / (row[2] - row[3]) for row in rows)
    whole = statistics.median(row[0] / row[2] for row in rows)
    print(f"  added by moderation, ours / theirs  {added:.2f}x")
    print(f"  whole save, ours / theirs           {whole:.2f}x")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer()
    else:
        main()
