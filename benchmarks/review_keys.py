"""
How long a moderator waits from a key to the next card, in a real browser.

The site is served by one process, this one, which also drives Chromium; its table is on PostgreSQL. Each key passes a
picture. The time is taken by the page itself, from the moment that the browser gives the key press to when the next
card is in the document and its heading has the focus.

loaded
    The next card was claimed and loaded while this one was read, as it is for whoever reads.
hurried
    The next key comes with the next card, before the one after it is there: a claim and a card of the site, each time.

Exits with 1 where the 95th percentile of the first is above 100 ms. Needs the extra ``e2e`` and a Chromium.

    DATABASE_URL=postgres://… python benchmarks/review_keys.py                    # 10,000 records, two minutes
    DATABASE_URL=postgres://… python benchmarks/review_keys.py --records 1000000 --keep imgmod_review
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))
# Playwright's event loop runs beneath this, which Django takes for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

from benchmarks.postgresql import own_name

# Before the models: it makes the settings.
from benchmarks.scale import database

# isort: split
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.test import Client
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from django_imgmod.models import ModerationRecord
from django_imgmod.services.review.claims import release
from tests.e2e.chromium import find_chromium
from tests.e2e.site import HOST, served

MAX_MS: Final = 100
DESK: Final = "/admin/django_imgmod/moderationrecord/review/"
RISKS: Final = ("high", "medium", "medium", "low")
PICTURES: Final = 8
MEGAPIXELS: Final = (4000, 3000)

# In the page, before its own scripts.
WATCH: Final = """
    window.waits = [];
    window.loadedCount = 0;
    let pressedAt = null;
    addEventListener("keydown", (event) => { pressedAt = event.timeStamp; }, true);
    addEventListener("focusin", ({target}) => {
        if (pressedAt !== null && target.closest("article#imgmod-card #imgmod-heading")) {
            window.waits.push(performance.now() - pressedAt);
            pressedAt = null;
        }
    });
    document.addEventListener("imgmod:loaded", () => { window.loadedCount += 1; });
"""


def let_wait(count: int) -> None:
    """Let so many records wait, no two alike, with pictures to be seen, and nobody hold any."""
    names = cycle([default_storage.save(f"photos/{number}.jpg", picture(number)) for number in range(PICTURES)])
    ModerationRecord.objects.filter(status="in_review").update(status="passed", claimed_by=None, claimed_until=None)
    records = list(ModerationRecord.objects.filter(status="passed").order_by("pk")[:count])
    for number, record in enumerate(records):
        record.status, record.risk_level, record.settled_at = "in_review", RISKS[number % len(RISKS)], None
        record.file_name = next(names)
        record.sha256 = hashlib.sha256(f"{record.pk}".encode()).hexdigest()
        record.perceptual_hash = f"dct256:{record.sha256}"
    columns = ("status", "risk_level", "settled_at", "file_name", "sha256", "perceptual_hash")
    ModerationRecord.objects.bulk_update(records, columns)


def picture(number: int) -> ContentFile[bytes]:
    output = BytesIO()
    Image.effect_noise((400, 300), 20 + 10 * number).resize(MEGAPIXELS).convert("RGB").save(output, "JPEG")
    return ContentFile(output.getvalue())


@contextmanager
def desk(user: Any) -> Iterator[Page]:
    """Serve the site and open the desk with its first card."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        context = browser.new_context(base_url=url)
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": url}])
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(DESK)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        yield page
        browser.close()


def press(page: Page, count: int, *, is_hurried: bool) -> list[float]:
    """Pass so many pictures; return the milliseconds until the next card was there."""
    before = page.evaluate("window.waits.length")
    for number in range(before + 1, before + count + 1):
        if not is_hurried:
            # The first two are loaded with the page.
            page.wait_for_function("count => window.loadedCount > count", arg=number)
        page.keyboard.press("a")
        page.wait_for_function("count => window.waits.length >= count", arg=number)
    return list(page.evaluate("start => window.waits.slice(start)", before))


def tell(name: str, waits: list[float]) -> float:
    """Print how long it took; return the 95th percentile."""
    percentile = statistics.quantiles(waits, n=20)[-1]
    print(
        f"  {name:<8} {statistics.median(waits):>6.1f} ms median, {percentile:>6.1f} ms at most in 95 of 100, "
        f"{max(waits):>6.1f} ms at most",
        flush=True,
    )
    return percentile


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--keep", metavar="NAME", help="keep the database under this name, or use it")
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        parser.error("DATABASE_URL must name a database of a PostgreSQL server.")
    if not find_chromium():
        parser.error("There is no Chromium on this machine.")
    settings.ALLOWED_HOSTS = [HOST]
    name = options.keep or own_name("keys")
    with database(name, options.records, is_kept=bool(options.keep)):
        # That of the threads that serve.
        connections.settings["default"]["NAME"] = name
        user, _ = get_user_model()._default_manager.get_or_create(
            username="presser", defaults={"is_superuser": True, "is_staff": True}
        )
        let_wait(2 * options.keys + 20)
        print(f"{options.records:,} records; from a key to the next card, {options.keys} keys each", flush=True)
        with desk(user) as page:
            percentile = tell("loaded", press(page, options.keys, is_hurried=False))
            tell("hurried", press(page, options.keys, is_hurried=True))
        release(user, None, using="default")
    return 0 if percentile <= MAX_MS else 1


if __name__ == "__main__":
    sys.exit(main())
