"""Another process that saves the same row between any two statements of ours: the record is of the last file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True)


class Meanwhile:
    """Lets something happen after the statement of the given number, from 0, as another process would."""

    def __init__(self, number: int, happen: Callable[[], Any]) -> None:
        self.number, self.happen = number, happen
        self.statements: list[str] = []
        self.is_quiet = False

    def __call__(self, run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = run(sql, params, many, context)
        # What happens meanwhile is no part of the count; nor can another process come into our transaction.
        if not self.is_quiet and not connection.in_atomic_block and sql != "BEGIN":
            self.statements.append(sql)
            if len(self.statements) - 1 == self.number:
                self.is_quiet = True
                self.happen()
                self.is_quiet = False
        return result


def save_with(photo_pk: int, image: Any) -> None:
    photo = Photo.objects.get(pk=photo_pk)
    photo.image = image
    photo.save()


def check(photo: Photo) -> None:
    name = Photo.objects.get(pk=photo.pk).image.name
    current = ModerationRecord.objects.current().filter(object_id=str(photo.pk))
    if name:
        record = current.get()
        assert (record.file_name, record.status) == (name, Status.PASSED)
    else:
        assert not current.exists()


@pytest.mark.parametrize("mine", ["picture", "nothing"])
@pytest.mark.parametrize("theirs", ["picture", "nothing"])
def test_another_save_after_any_statement(picture, mine, theirs):
    number, last = 0, 1
    while number < last:
        photo = Photo.objects.create(image=picture(1))
        of = {"picture": picture, "nothing": lambda number: ""}
        meanwhile = Meanwhile(number, lambda photo=photo, of=of: save_with(photo.pk, of[theirs](3)))
        with connection.execute_wrapper(meanwhile):
            save_with(photo.pk, of[mine](2))
        check(photo)
        number, last = number + 1, len(meanwhile.statements)
    assert number >= 5
