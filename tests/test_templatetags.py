"""What templates show of images, and how little it takes."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db import models
from django.template import Context, Engine, Template, TemplateSyntaxError
from django.test import RequestFactory
from django.views.generic import ListView

from django_imgmod.choices import Outcome, RiskLevel, Status
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import DetectedLabel
from django_imgmod.services.decisions import decide
from django_imgmod.templatetags import imgmod as tags

from .hostapp.models import Document, Note, NullablePhoto, Photo, PhotoProxy, StringPhoto, UuidPhoto
from .showing.replacing import current, keep, put, put_many, turn
from .showing.test_waits import history

pytestmark = pytest.mark.django_db

PLACEHOLDER = "/static/django_imgmod/placeholder.svg"
ROOT = Path(__file__).parents[1]


def render(text: str, **context: Any) -> str:
    return Template("{% load imgmod %}" + text).render(Context(context))


@pytest.fixture
def photo(picture) -> Photo:
    photo = Photo(title="Boats")
    put(photo, picture(), Status.PASSED, width=1200, height=800)
    return photo


@pytest.fixture
def blocked(picture) -> Photo:
    photo = Photo(title="Contraband")
    put(photo, picture(2), Status.BLOCKED)
    return photo


@pytest.fixture
def warnings(caplog) -> Any:
    """Return a function that says what was warned of, which happens once a process."""
    tags._warn.cache_clear()
    caplog.set_level(logging.WARNING, logger="django_imgmod")
    yield lambda: [message.getMessage() for message in caplog.records]
    tags._warn.cache_clear()


class TestUrl:
    def test_of_what_may_be_shown(self, photo, blocked, picture, settings):
        assert render("{{ photo.image|imgmod_url }}", photo=photo) == photo.image.url
        assert render("{{ photo.image|imgmod_url }}", photo=PhotoProxy.objects.get(pk=photo.pk)) == photo.image.url
        assert render("{{ photo.image|imgmod_url }}", photo=blocked) == PLACEHOLDER
        keep(settings)
        accepted = photo.image.url
        put(photo, picture(3), Status.IN_REVIEW)
        assert render("{{ photo.image|imgmod_url }}", photo=photo) == accepted

    def test_is_escaped_as_any_other_text(self, blocked, settings):
        settings.IMGMOD = {**settings.IMGMOD, "PLACEHOLDER": "https://cdn.example/?a=1&b='\"<"}
        escaped = "https://cdn.example/?a=1&amp;b=&#x27;&quot;&lt;"
        assert render("{{ photo.image|imgmod_url }}", photo=blocked) == escaped
        assert f'src="{escaped}"' in render("{% imgmod_image photo.image alt='' %}", photo=blocked)

    def test_whether_it_is_the_image_itself(self, photo, blocked, picture, settings):
        text = "{% if photo.image|imgmod_is_visible %}yes{% else %}no{% endif %}"
        keep(settings)
        assert [render(text, photo=obj) for obj in (photo, blocked, Photo(), None)] == ["yes", "no", "no", "no"]
        put(photo, picture(3), Status.IN_REVIEW)
        assert render(text, photo=photo) == "no"


class TestImage:
    def test_tag(self, photo):
        assert render("<a>{% imgmod_image photo.image alt=photo.title %}</a>", photo=photo) == (
            f'<a><img src="{photo.image.url}" alt="Boats" '
            'decoding="async" height="800" loading="lazy" width="1200"></a>'
        )

    def test_placeholder_does_not_say_what_it_does_not_show(self, blocked):
        assert render("{% imgmod_image photo.image alt=photo.title %}", photo=blocked) == (
            f'<img src="{PLACEHOLDER}" alt="This picture is not shown." decoding="async" height="240" loading="lazy" '
            'width="320">'
        )

    @pytest.mark.parametrize("alt", ["''", "None", "no_such_variable"])
    def test_what_only_decorates_says_nothing(self, photo, blocked, alt):
        for obj in (photo, blocked):
            assert ' alt="" ' in render(f"{{% imgmod_image photo.image alt={alt} %}}", photo=obj)

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ('class="card wide"', 'class="card wide" decoding="async" height="800" loading="lazy" width="1200"'),
            ('data_id=photo.title aria_hidden="true"', 'aria-hidden="true" data-id="Boats" decoding="async"'),
            ('loading="eager" decoding=None', ' height="800" loading="eager" width="1200"'),
            ("loading=False hidden=True", 'height="800" width="1200" hidden>'),
            ("width=300", 'decoding="async" loading="lazy" width="300">'),
            ('height="auto"', 'decoding="async" height="auto" loading="lazy">'),
        ],
    )
    def test_attributes(self, photo, given, expected):
        assert expected in render(f'{{% imgmod_image photo.image alt="" {given} %}}', photo=photo)

    @pytest.mark.parametrize(
        "text",
        [
            "{% imgmod_image photo.image alt=evil class=evil %}",
            "{% autoescape off %}{% imgmod_image photo.image alt=evil class=evil %}{% endautoescape %}",
        ],
    )
    def test_values_are_escaped(self, photo, text):
        html = render(text, photo=photo, evil="\"'><script>&")
        assert html.count("&quot;&#x27;&gt;&lt;script&gt;&amp;") == 2
        assert html.count("<") == html.count(">") == 1

    @pytest.mark.parametrize("name", ["src", "srcset", "SRC", "onClick", "_x", "1a", "größe"])
    @pytest.mark.parametrize("photo_is_there", [True, False])
    def test_attributes_that_cannot_be_given(self, photo, name, photo_is_there):
        with pytest.raises(TemplateSyntaxError, match="cannot give its <img> an attribute"):
            render(f'{{% imgmod_image photo.image alt="" {name}="x" %}}', photo=photo if photo_is_there else None)

    def test_alt_is_required(self):
        with pytest.raises(TemplateSyntaxError, match="'alt'"):
            Template("{% load imgmod %}{% imgmod_image photo.image %}")

    def test_numbers_are_for_browsers(self, photo, settings):
        settings.USE_THOUSAND_SEPARATOR = True
        settings.LANGUAGE_CODE = "de"
        assert 'width="1200"' in render("{% imgmod_image photo.image alt='' %}", photo=photo)

    def test_size_that_is_not_known(self, photo, picture, settings):
        turn(photo, Status.PASSED, width=None, height=None)
        assert "width" not in render("{% imgmod_image photo.image alt='' %}", photo=photo)
        keep(settings)
        put(photo, picture(3), Status.IN_REVIEW, width=1, height=1)
        assert "width" not in render("{% imgmod_image photo.image alt='' %}", photo=photo)


class TestStatus:
    def words(self, photo: models.Model) -> str:
        html = render("{% imgmod_status photo.image %}", photo=photo)
        return " ".join(re.sub(r"<[^>]*>", "", html).split())

    def test_words(self, photo, blocked):
        assert self.words(photo) == "Checked, and public."
        decide(turn(blocked, Status.IN_REVIEW), Outcome.BLOCK, decided_by=None, reason_code="hate", comment="ugh")
        assert self.words(blocked) == "Blocked. It is not shown to anybody. Hate or harassment"
        assert 'data-status="blocked"' in render("{% imgmod_status photo.image %}", photo=blocked)

    def test_how_long_it_takes(self, picture):
        cache.clear()
        history(*[5] * 10)
        photo = Photo()
        put(photo, picture(2))
        told = self.words(photo).replace("\N{NO-BREAK SPACE}", " ")
        cache.clear()
        assert told == "Being checked, and not public yet. That usually takes 5 minutes."

    def test_that_the_last_accepted_picture_stays(self, photo, picture, settings):
        put(photo, picture(2), Status.IN_REVIEW)
        meanwhile = "The picture that was accepted before it is shown meanwhile."
        assert meanwhile not in self.words(photo)
        keep(settings)
        assert self.words(photo).endswith(meanwhile)
        turn(photo, Status.PASSED)
        assert meanwhile not in self.words(photo)

    def test_labels(self, blocked, settings):
        for label, confidence in (("<b>", "98.70"), ("logo", None)):
            DetectedLabel.objects.create(
                record=current(blocked), label=label, confidence=confidence, risk_level=RiskLevel.HIGH
            )
        assert "Detected" not in self.words(blocked)
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": True}}
        assert self.words(blocked).endswith("Detected: logo, &lt;b&gt; (99 %)")
        off = "{% autoescape off %}{% imgmod_status photo.image %}{% endautoescape %}"
        assert "&lt;b&gt;" in render(off, photo=blocked)

    def test_a_page_of_them(self, picture, django_assert_num_queries):
        photos = [Photo() for _ in range(8)]
        for number, photo in enumerate(photos):
            put(photo, picture(number), Status(Status.values[number % 5]))
        decide(current(photos[2]), Outcome.BLOCK, decided_by=None)
        cache.clear()
        # And one for how long a provider takes, one for people.
        with django_assert_num_queries(3):
            render(
                "{% imgmod_prefetch photos with_status=True %}"
                "{% for photo in photos %}{% imgmod_status photo.image %}{{ photo.image|imgmod_url }}{% endfor %}",
                photos=photos,
            )
        cache.clear()


class Pictures(ListView):
    model = Photo
    ordering = ["pk"]
    paginate_by = 50


class TestPrefetch:
    LOOP = "{% for photo in page_obj %}{{ photo.image|imgmod_url }} {% endfor %}"

    @pytest.fixture
    def page(self) -> list[Photo]:
        return put_many(*[Status.PASSED if number % 7 else Status.BLOCKED for number in range(50)])

    def test_list_of_a_view_that_knows_nothing_of_it(self, page, django_assert_num_queries):
        context = Pictures.as_view()(RequestFactory().get("/")).context_data
        with django_assert_num_queries(1):
            addresses = [photo.image.url for photo in context["page_obj"]]
        for given in ("page_obj", "page_obj.object_list", "object_list", "photo_list"):
            context = Pictures.as_view()(RequestFactory().get("/")).context_data
            with django_assert_num_queries(2):
                html = render(f"{{% imgmod_prefetch {given} 'image' %}}{self.LOOP}", **context)
            assert html.split() == [url if number % 7 else PLACEHOLDER for number, url in enumerate(addresses)]

    def test_models_of_every_kind(self, picture, django_assert_num_queries):
        photos = [Photo(), UuidPhoto(), StringPhoto(code="a"), NullablePhoto()]
        for number, photo in enumerate(photos):
            put(photo, picture(number), Status.PASSED)
        with django_assert_num_queries(1):
            html = render(
                "{% imgmod_prefetch some others one nothing no_such_variable 'image' %}"
                "{% for photo in some %}{{ photo.image|imgmod_url }} {% endfor %}{{ one.image|imgmod_url }}",
                some=photos[:2],
                others=tuple(photos[2:3]),
                one=photos[3],
                nothing=[],
            )
        assert html.split() == [photo.image.url for photo in (*photos[:2], photos[3])]

    def test_queryset_under_a_name(self, page, django_assert_num_queries):
        with django_assert_num_queries(2):
            render(
                f"{{% with page_obj=photos.all %}}{{% imgmod_prefetch page_obj %}}{self.LOOP}{{% endwith %}}",
                photos=Photo.objects,
            )

    def test_page_that_was_gone_through_already(self, page, django_assert_num_queries):
        page_obj = Paginator(Photo.objects.order_by("pk"), 20).page(2)
        list(page_obj)
        with django_assert_num_queries(1):
            render(f"{{% imgmod_prefetch page_obj 'image' %}}{self.LOOP}", page_obj=page_obj)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{% imgmod_prefetch photos 'imgae' %}", "hostapp.Photo.imgae is not watched"),
            ("{% imgmod_prefetch photos 'title' %}", "hostapp.Photo.title is not watched"),
            ("{% imgmod_prefetch documents 'attachment' %}", "hostapp.Document.attachment is not watched"),
            ("{% imgmod_prefetch notes 'image' %}", "hostapp.Note.image is not watched"),
            ("{% imgmod_prefetch photos.iterator %}", "not generator"),
            ("{% imgmod_prefetch 7 %}", "not int"),
            ("{% imgmod_prefetch photos.values %}", "not dict"),
        ],
    )
    def test_mistakes(self, settings, warnings, text, message):
        Photo.objects.bulk_create([Photo(image="photos/a.png")])
        context = {"photos": Photo.objects.all(), "documents": [Document()], "notes": [Note()]}
        settings.DEBUG = True
        with pytest.raises(ImgmodConfigurationError, match=re.escape(message)):
            render(text, **context)
        settings.DEBUG = False
        assert [render(text, **context), render(text, **context)] == ["", ""]
        [warning] = warnings()
        assert message in warning

    def test_what_can_be_gone_through_once_is_left_to_the_page(self, page, warnings):
        html = render(f"{{% imgmod_prefetch page_obj %}}{self.LOOP}", page_obj=iter(page))
        assert len(html.split()) == 50


class TestNothing:
    @pytest.mark.parametrize("is_debug", [False, True])
    @pytest.mark.parametrize("unrecorded", ["hide", "show"])
    def test_renders_as_nothing(self, photo, picture, settings, warnings, is_debug, unrecorded):
        settings.DEBUG = is_debug
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": unrecorded}
        text = "{{ photo.image|imgmod_url }}{% imgmod_image photo.image alt='x' %}{% imgmod_status photo.image %}"
        cleared = NullablePhoto(image=picture())
        cleared.save()
        put(cleared, "")
        uploading = Photo.objects.get()
        uploading.image = picture(2)
        for empty in (None, "", Photo(), Photo(image="photos/a.png"), Photo(image=picture()), cleared, uploading):
            assert render(text, photo=empty) == ""
        assert render(text) == ""
        assert NullablePhoto.objects.create(image=None).image.name is None
        assert render(text, photo=NullablePhoto.objects.latest("pk")) == ""
        assert warnings() == []

    def test_deleted(self, photo):
        photo.delete()
        assert render("{{ photo.image|imgmod_url }}", photo=photo) == ""


class TestMistakes:
    """Never the picture itself: nobody has judged what is not watched."""

    TEXTS = (
        ("{{ it|imgmod_url }}", PLACEHOLDER),
        ("{% imgmod_image it alt='' %}", PLACEHOLDER),
        ("{% if it|imgmod_is_visible %}shown{% endif %}", ""),
        ("{% imgmod_status it %}", ""),
    )

    @pytest.fixture(params=["unwatched", "excluded", "model", "name", "list", "number", "alone"])
    def mistake(self, photo, picture, settings, request) -> tuple[Any, str]:
        """Return something that cannot be shown, and what is said of it."""
        match request.param:
            case "unwatched":
                document = Document.objects.create(attachment=picture())
                return document.attachment, "hostapp.Document.attachment is not watched"
            case "excluded":
                settings.IMGMOD = {**settings.IMGMOD, "EXCLUDE": ["hostapp.Photo"]}
                return photo.image, "hostapp.Photo.image is not watched"
            case "model":
                return photo, "such as photo.image, not Photo"
            case "name":
                return photo.image.name, "such as photo.image, not str"
            case "list":
                return [photo.image], "such as photo.image, not list"
            case "number":
                return 7, "such as photo.image, not int"
        field = Photo._meta.get_field("image")
        return field.attr_class(None, field, photo.image.name), "such as photo.image, not ImageFieldFile"

    def test_under_debug(self, mistake, settings):
        settings.DEBUG = True
        given, words = mistake
        for text, _ in self.TEXTS:
            with pytest.raises(ImgmodConfigurationError, match=re.escape(words)):
                render(text, it=given)

    def test_on_a_site(self, mistake, warnings):
        given, words = mistake
        for text, expected in self.TEXTS * 2:
            html = render(text, it=given)
            assert expected in html
            assert "photos/" not in html
            assert "attachments/" not in html
        [warning] = warnings()
        assert words in warning

    def test_empty_field_that_is_not_watched(self, settings, warnings):
        """It is said while the page is built, before somebody uploads."""
        assert [render(text, it=Document().attachment) for text, _ in self.TEXTS] == ["", "", "", ""]
        settings.DEBUG = True
        with pytest.raises(ImgmodConfigurationError, match="not watched"):
            render("{{ it|imgmod_url }}", it=Document().attachment)

    def test_what_the_settings_put_in_the_place_of_a_missing_name(self, settings):
        engine = Engine(
            libraries={"imgmod": "django_imgmod.templatetags.imgmod"}, string_if_invalid="MISSING", debug=False
        )
        template = engine.from_string("{% load imgmod %}{{ it|imgmod_url }}{% imgmod_image it alt='' %}")
        assert PLACEHOLDER in template.render(Context())
        settings.DEBUG = True
        with pytest.raises(ImgmodConfigurationError, match="not str"):
            template.render(Context())


def test_templates_of_the_site(photo, blocked, settings, tmp_path):
    folder = tmp_path / "django_imgmod"
    folder.mkdir()
    (folder / "image.html").write_text(
        "<figure{{ attributes }}>{{ picture.url }}|{{ alt }}|{{ picture.is_placeholder }}</figure>"
    )
    (folder / "status.html").write_text("{{ progress.status }}: {{ progress.message }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    image = "{% imgmod_image photo.image alt='Boats' loading=None decoding=None width=None %}"
    text = f"{image} {{% imgmod_status photo.image %}}"
    assert render(text, photo=photo) == f"<figure>{photo.image.url}|Boats|False</figure> passed: Checked, and public."
    assert "|This picture is not shown.|True</figure> blocked: Blocked." in render(text, photo=blocked)


class TestDocumentation:
    """What docs/editors.md says under "On the site"."""

    @pytest.fixture
    def section(self) -> str:
        text = (ROOT / "docs" / "editors.md").read_text()
        [section] = re.findall(r"^## On the site\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        return section

    @pytest.fixture
    def examples(self, section) -> dict[str, str]:
        """The examples by the name of the file that each says it is."""
        blocks = re.findall(
            r"^```(?:html|python)\n(?:\{# |# )([\w./]+).*?\n(.*?)^```$", section, re.DOTALL | re.MULTILINE
        )
        assert len(blocks) == section.count("```") / 2
        return dict(blocks)

    def test_list_page(self, examples, photo, blocked, django_assert_num_queries):
        names: dict[str, Any] = {}
        exec(examples["gallery/views.py"].replace("from .models", "from tests.hostapp.models"), names)  # noqa: S102
        context = names["PhotoList"].as_view()(RequestFactory().get("/")).context_data
        with django_assert_num_queries(2):
            html = Template(examples["gallery/templates/gallery/photo_list.html"]).render(Context(context))
        assert re.findall(r'src="(.*?)" alt="(.*?)" class="card"', html) == [
            (PLACEHOLDER, "This picture is not shown."),
            (photo.image.url, "Boats"),
        ]

    def test_detail_page(self, examples, photo, blocked):
        template = Template(examples["gallery/templates/gallery/photo_detail.html"])
        html = template.render(Context({"photo": photo}))
        assert re.search(rf'data-id="{photo.pk}" decoding="async" fetchpriority="high" .*loading="eager"', html)
        assert f'<a href="{photo.image.url}" download>' in html
        assert "download" not in template.render(Context({"photo": blocked}))

    def test_pictures_of_an_editor(self, examples, photo, blocked):
        html = Template(examples["gallery/templates/gallery/my_photos.html"]).render(
            Context({"photos": [photo, blocked]})
        )
        assert "Checked, and public." in html
        assert "Blocked." in html

    def test_what_is_public(self, examples, photo, blocked):
        names: dict[str, Any] = {}
        exec(examples["gallery/visible.py"].replace("from .models", "from tests.hostapp.models"), names)  # noqa: S102
        assert list(names["photos"]) == [photo]

    def test_setting(self, examples, photo, picture, settings):
        names: dict[str, Any] = {}
        exec(examples["settings.py"].replace("gallery.Photo", "hostapp.Photo"), names)  # noqa: S102
        settings.IMGMOD = {**settings.IMGMOD, **names["IMGMOD"]}
        accepted = photo.image.url
        put(photo, picture(3), Status.BLOCKED)
        assert render("{{ photo.image|imgmod_url }}", photo=photo) == accepted

    def test_every_tag_and_filter_is_there(self, section):
        documented = re.findall(r"^\| `\{[{%] .*?(imgmod_\w+)", section, re.MULTILINE)
        assert sorted(documented) == sorted([*tags.register.tags, *tags.register.filters])
