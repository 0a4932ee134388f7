"""What the database itself refuses, and what a deletion takes with it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from django_imgmod.choices import Outcome, Status
from django_imgmod.models import Decision, DetectedLabel, ModerationRecord, current_key

from .hostapp.models import Photo, StringPhoto

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(picture):
    Photo.objects.create(image=picture())
    return ModerationRecord.objects.get()


class TestConstraints:
    @pytest.mark.parametrize(
        "columns", [{"status": Status.SUPERSEDED}, {"current_key": None}, {"top_confidence": 100.01}]
    )
    def test_contradiction_is_refused(self, record, columns):
        with pytest.raises(IntegrityError), transaction.atomic():
            ModerationRecord.objects.update(**columns)

    def test_second_current_record_is_refused(self, record):
        record.pk, record.public_id = None, "5f0c9f0e-6a55-4d4b-8f07-4a2ab4a2d0f1"
        with pytest.raises(IntegrityError), transaction.atomic():
            record.save(force_insert=True)

    @pytest.mark.parametrize("confidence", [-1, 100.01])
    def test_confidence_is_0_to_100(self, record, confidence):
        with pytest.raises(IntegrityError), transaction.atomic():
            DetectedLabel.objects.create(record=record, label="a", confidence=confidence)


class TestDeletion:
    def test_record_takes_its_decisions_along_also_those_taken_back(self, record):
        first = Decision.objects.create(record=record, outcome=Outcome.BLOCK)
        Decision.objects.create(record=record, outcome=Outcome.REVIEW, undoes=first)
        DetectedLabel.objects.create(record=record, label="a")
        record.delete()
        assert not Decision.objects.exists()
        assert not DetectedLabel.objects.exists()

    def test_decision_outlives_the_person(self, record, django_user_model):
        moderator = django_user_model.objects.create_user("moderator")
        Decision.objects.create(record=record, outcome=Outcome.BLOCK, decided_by=moderator)
        moderator.delete()
        assert Decision.objects.get().decided_by is None


def test_keys_of_different_images_differ():
    keys = {
        current_key(Photo, "1", "image"),
        current_key(Photo, "11", "image"),
        current_key(Photo, "1", "image2"),
        current_key(StringPhoto, "1", "image"),
        current_key(StringPhoto, "1 ", "image"),
        current_key(StringPhoto, "A", "image"),
        current_key(StringPhoto, "a", "image"),
    }
    assert len(keys) == 7
    assert {len(key) for key in keys} == {64}
