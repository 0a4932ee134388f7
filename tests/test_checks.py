from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import models
from django.test.utils import isolate_apps

import django_imgmod
from django_imgmod import checks, registry
from django_imgmod.conf import SETTINGS, imgmod_settings
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.registry import moderate

from .hostapp.models import Photo

DUMMY = "django_imgmod.providers.dummy.DummyProvider"
BASE = "django_imgmod.providers.base.BaseProvider"


def found(settings: Any, imgmod: Any) -> list[Any]:
    """Every message, with the settings of the tests as the base."""
    settings.IMGMOD = {**settings.IMGMOD, **imgmod} if isinstance(imgmod, dict) else imgmod
    return [
        message
        for check in (checks.check_settings, checks.check_providers, checks.check_watched_fields)
        for message in check()
    ]


@pytest.mark.django_db(databases=["default", "other"])
def test_no_complaints_about_good_settings(settings):
    assert found(settings, {}) == []
    call_command("check", stdout=StringIO())


@pytest.mark.django_db(databases=["default", "other"])
def test_checks_are_registered(settings):
    settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "maybe", "EXCLUDE": ["nobody.Knows"], "PROVIDERS": {}}
    with pytest.raises(Exception, match=r"(?s)imgmod\.E006.*imgmod\.E011.*imgmod\.E022"):
        call_command("check", stderr=StringIO())


@pytest.mark.parametrize(
    ("imgmod", "check_id", "words"),
    [
        (["FIELDS"], "imgmod.E001", "must be a dict, not list"),
        ({"PROVIDER": {}}, "imgmod.E002", "unknown key: 'PROVIDER'"),
        ({"PROVIDERS": []}, "imgmod.E003", 'IMGMOD["PROVIDERS"] must be a dict'),
        ({"EXCLUDE": "shop.Product"}, "imgmod.E003", 'IMGMOD["EXCLUDE"] must be a list'),
        ({"FIELDS": 3}, "imgmod.E003", 'IMGMOD["FIELDS"] must be "__all__"'),
        ({"UNRECORDED": True}, "imgmod.E003", 'must be "hide" or "show", not True'),
        ({"POLICIES": {"strict": {"on_error": "pass"}}}, "imgmod.E004", "must be one of review, block"),
        ({"DISPATCHER": "no.such.Class"}, "imgmod.E005", '"no.such.Class" cannot be imported'),
        ({"DISPATCHER": "tests.hostapp.models.Photo"}, "imgmod.E005", "is not a subclass"),
        ({"UNRECORDED": "maybe"}, "imgmod.E006", "not 'maybe'"),
        ({"REVIEW": []}, "imgmod.E003", 'IMGMOD["REVIEW"] must be a dict'),
        ({"REVIEW": {"REASON": {}}}, "imgmod.E009", "unknown keys: 'REASON'"),
        ({"REVIEW": {"CLAIM_SECONDS": 5}}, "imgmod.E009", "from 30 to 3600, not 5"),
        ({"EDITORS": {"SEE_LABEL": True}}, "imgmod.E013", "unknown keys: 'SEE_LABEL'"),
        ({"EDITORS": {"SEE_LABELS": 1}}, "imgmod.E013", "True or False, not 1"),
        ({"EDITORS": {"LINK_SECONDS": 5}}, "imgmod.E013", "from 60 to 31536000, not 5"),
        ({"PLACEHOLDER": ""}, "imgmod.E014", "the name of a static file"),
        ({"FIELDS": {"__all__": {"keep_last_accepted": "yes"}}}, "imgmod.E020", "True or False, not 'yes'"),
        ({"CALLBACK_BASE_URL": "site.example"}, "imgmod.E007", 'must begin with "https://"'),
        ({"PROVIDERS": {"default": "dummy"}}, "imgmod.E010", "must be a dict, not str"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTION": {}}}}, "imgmod.E010", "unknown keys: 'OPTION'"),
        ({"PROVIDERS": {"default": {}}}, "imgmod.E010", "needs a BACKEND"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "PRICE_PER_1000": 1.2}}}, "imgmod.E010", "currency"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "PRICE_PER_1000": "USD 1.20"}}}, "imgmod.E010", "currency"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "PRICE_PER_1000": "1.20"}}}, "imgmod.E010", "currency"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": []}}}, "imgmod.E010", "must be a dict, not list"),
        ({"PROVIDERS": {"other": {"BACKEND": DUMMY}}}, "imgmod.E011", 'no entry "default"'),
        ({"PROVIDERS": {"default": {"BACKEND": "no.such.Class"}}}, "imgmod.E012", "cannot be imported"),
        ({"PROVIDERS": {"default": {"BACKEND": "tests.hostapp.models.Photo"}}}, "imgmod.E012", "not a subclass"),
        (
            {"PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": {"qsp": 3}}}},
            "imgmod.E012",
            "does not know the OPTIONS 'qsp'",
        ),
        ({"FIELDS": "all"}, "imgmod.E020", "not 'all'"),
        ({"FIELDS": {"hostapp.Photo.image": {"polcy": "x"}}}, "imgmod.E020", "unknown keys: 'polcy'"),
        ({"FIELDS": ["hostapp.Photo"]}, "imgmod.E022", "that is no name of a field"),
        ({"FIELDS": [3]}, "imgmod.E020", "3 is no string"),
        ({"FIELDS": [["x"]]}, "imgmod.E020", "['x'] is no string"),
        ({"EXCLUDE": [{}]}, "imgmod.E020", "{} is no string"),
        ({"FIELDS": {"hostapp.Photo.image": None}}, "imgmod.E020", "must be a dict, not None"),
        ({"FIELDS": {"__all__": "strict"}}, "imgmod.E020", "must be a dict, not 'strict'"),
        ({"FIELDS": {"hostapp.Photo.image": {"policy": ["x"]}}}, "imgmod.E020", "must be a string"),
        ({"POLICIES": {"x" * 51: {}}}, "imgmod.E004", "at most 50 characters"),
        ({"PROVIDERS": {"x" * 51: {"BACKEND": DUMMY}}}, "imgmod.E010", "at most 50 characters"),
        ({"PROVIDERS": {1: {"BACKEND": DUMMY}}}, "imgmod.E010", "must be a string"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": {1: 2}}}}, "imgmod.E010", "cannot be named 1"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": {"alias": 2}}}}, "imgmod.E010", "cannot be named"),
        ({"PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": {"risk_level": "x"}}}}, "imgmod.E012", "must be one"),
        ({"PROVIDERS": {"default": {"BACKEND": ".Relative"}}}, "imgmod.E012", "cannot be imported"),
        ({"PROVIDERS": {"default": {"BACKEND": BASE}}}, "imgmod.E012", "that can be used"),
        ({"DISPATCHER": "django_imgmod.dispatch.BaseDispatcher"}, "imgmod.E005", "that can be used"),
        ({"CALLBACK_BASE_URL": "https://"}, "imgmod.E007", "must begin with"),
        ({"CALLBACK_BASE_URL": "https://ü..example"}, "imgmod.E007", "cannot be looked up"),
        ({"FIELDS": ["hostapp.Foto.image"]}, "imgmod.E022", "Foto"),
        ({"FIELDS": ["hostapp.photo.image"]}, "imgmod.E022", 'is called "hostapp.Photo"'),
        ({"FIELDS": ["hostapp.Photo.picture"]}, "imgmod.E022", "no field named 'picture'"),
        ({"FIELDS": ["hostapp.Photo.title"]}, "imgmod.E022", "no image or file field"),
        ({"FIELDS": ["hostapp.PanoramaPhoto.image"]}, "imgmod.E022", 'defined by "hostapp.Photo"'),
        ({"EXCLUDE": ["hostapp.Phto"]}, "imgmod.E022", "Phto"),
        ({"FIELDS": {"hostapp.Photo.image": {"provider": "x"}}}, "imgmod.E023", 'the provider "x"'),
        ({"POLICIES": {}}, "imgmod.E023", 'Document.scan is to use the policy "strict"'),
    ],
)
def test_wrong_setting_has_an_id_and_a_hint(settings, imgmod, check_id, words):
    messages = found(settings, imgmod)
    matching = [message for message in messages if message.id == check_id]
    assert matching, messages
    assert words in matching[0].msg
    assert matching[0].hint


@pytest.mark.django_db
def test_save_under_wrong_settings_fails_loudly(settings, picture):
    """A site that skips the checks must not collect pictures that nobody looks at."""
    settings.IMGMOD = {**settings.IMGMOD, "FIELDS": 3}
    with pytest.raises(ImgmodConfigurationError, match=r'IMGMOD\["FIELDS"\] must be'):
        Photo.objects.create(image=picture())


def test_moderate_with_a_wrong_name(monkeypatch):
    monkeypatch.setattr(Photo, "_imgmod_declared", {}, raising=False)
    moderate("image", "titel", "title")(Photo)
    messages = [message for message in checks.check_watched_fields() if message.id == "imgmod.E021"]
    assert ["'titel'" in message.msg or "'title'" in message.msg for message in messages] == [True, True]


def test_moderate_without_names():
    for wrong in ((), (Photo,)):
        with pytest.raises(TypeError, match="needs the names of the fields"):
            moderate(*wrong)


@isolate_apps("tests.hostapp")
def test_moderate_with_a_wrong_name_on_an_abstract_model(monkeypatch):
    @moderate("scann")
    class Scanned(models.Model):
        scan = models.FileField()

        class Meta:
            abstract = True
            app_label = "hostapp"

    class Letter(Scanned):
        class Meta:
            app_label = "hostapp"

    monkeypatch.setattr(registry.apps, "get_models", lambda **kwargs: [Letter])
    [message] = [message for message in checks.check_watched_fields() if message.id == "imgmod.E021"]
    assert "'scann'" in message.msg


@isolate_apps("tests.hostapp")
def test_storage_that_overwrites(monkeypatch):
    class Poster(models.Model):
        image = models.ImageField(storage=FileSystemStorage(allow_overwrite=True))

        class Meta:
            app_label = "hostapp"

    monkeypatch.setattr(registry.apps, "get_models", lambda **kwargs: [Poster])
    [message] = [message for message in checks.check_watched_fields() if message.id == "imgmod.W025"]
    assert "hostapp.Poster.image" in message.msg


@pytest.mark.parametrize(("options", "ids"), [({}, []), ({"keep_last_accepted": True}, ["imgmod.W029"])])
def test_files_that_stay_live_and_an_app_that_deletes_them(settings, monkeypatch, options, ids):
    imgmod = {"FIELDS": {"hostapp.Photo.image": options}}
    assert [message.id for message in found(settings, imgmod)] == []
    monkeypatch.setattr(checks.apps, "is_installed", lambda name: name == "django_cleanup")
    messages = found(settings, imgmod)
    assert [message.id for message in messages] == ids
    assert all("hostapp.Photo.image" in message.msg for message in messages)


@isolate_apps("tests.hostapp")
def test_key_that_is_too_long(monkeypatch):
    class Endless(models.Model):
        code = models.CharField(max_length=300, primary_key=True)
        image = models.ImageField()

        class Meta:
            app_label = "hostapp"

    monkeypatch.setattr(registry.apps, "get_models", lambda **kwargs: [Endless])
    [message] = [message for message in checks.check_watched_fields() if message.id == "imgmod.W026"]
    assert "hostapp.Endless" in message.msg


@isolate_apps("tests.hostapp")
def test_composite_key(monkeypatch):
    class Tile(models.Model):
        pk = models.CompositePrimaryKey("row", "column")
        row = models.IntegerField()
        column = models.IntegerField()
        image = models.ImageField()

        class Meta:
            app_label = "hostapp"

    monkeypatch.setattr(checks.apps, "get_models", lambda **kwargs: [Tile])
    [message] = checks.check_watched_fields()
    assert message.id == "imgmod.W024"
    assert "several columns" in message.msg


def test_one_mistake_is_said_once(settings):
    settings.IMGMOD = {"PROVIDERS": [], "FIELDS": "all"}
    messages = [message.msg for message in checks.check(None)]
    assert len(messages) == len(set(messages)) == 2


class TestSettings:
    def test_defaults(self, settings):
        del settings.IMGMOD
        assert imgmod_settings.providers["default"].backend == "django_imgmod.providers.local.LocalProvider"
        assert imgmod_settings.fields == {"__all__": {}}
        assert imgmod_settings.dispatcher == "django_imgmod.dispatch.InlineDispatcher"
        assert not imgmod_settings.shows_unrecorded
        assert imgmod_settings.callback_base_url is None

    def test_price(self, settings):
        settings.IMGMOD = {"PROVIDERS": {"default": {"BACKEND": DUMMY, "PRICE_PER_1000": "1.20 US dollars"}}}
        price = imgmod_settings.providers["default"].price
        assert price is not None
        assert price.of(1_234_500) == "1,481.40 US dollars"

    def test_options_do_not_show(self, settings):
        settings.IMGMOD = {"PROVIDERS": {"default": {"BACKEND": DUMMY, "OPTIONS": {"access_key_secret": "hush"}}}}
        assert "hush" not in repr(imgmod_settings.providers)
        [message] = checks.check_providers()
        assert "hush" not in str(message)


class TestDocumentation:
    """A fact that is written twice has a test."""

    ROOT = Path(__file__).parent.parent

    def test_every_setting_is_documented(self):
        text = (self.ROOT / "docs" / "settings.md").read_text()
        assert set(re.findall(r"^### `([A-Z_]+)`", text, re.MULTILINE)) == set(SETTINGS)

    def test_every_check_is_documented(self):
        code = "".join(path.read_text() for path in Path(django_imgmod.__file__).parent.rglob("*.py"))
        text = (self.ROOT / "docs" / "settings.md").read_text()
        assert set(re.findall(r"imgmod\.[EW]\d+", code)) == set(re.findall(r"imgmod\.[EW]\d+", text))


def test_callbacks_without_an_address_are_an_error(settings):
    imgmod = {**settings.IMGMOD, "CALLBACK_BASE_URL": "https://site.example"}
    assert "imgmod.E008" not in [message.id for message in found(settings, imgmod)]
    settings.ROOT_URLCONF = "tests.admin.urls"
    [error] = [message for message in found(settings, imgmod) if message.id == "imgmod.E008"]
    assert 'include("django_imgmod.urls")' in error.hint
