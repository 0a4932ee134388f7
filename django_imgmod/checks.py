"""
System checks: wrong settings are found at start, not at the first upload.

No network, no queries. Identifiers are never used again for something else. Retired so far: none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.urls import NoReverseMatch, reverse

from .conf import ALL_FIELDS, DEFAULT_ALIAS, MAX_KEY_LENGTH, SETTINGS, imgmod_settings
from .dispatch import dispatcher_class
from .exceptions import ImgmodConfigurationError
from .providers import providers
from .registry import (
    WatchedField,
    all_watched_fields,
    has_composite_key,
    key_field_of,
    undefined_declarations,
)
from .services.sources import callback_address

DOCS = "See docs/settings.md."


TAG = "imgmod"


def check(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Run all checks below. Several may stumble over the same thing: it is said once."""
    messages: dict[str, CheckMessage] = {}
    for part in (check_settings, check_providers, check_watched_fields):
        for message in part():
            messages.setdefault(message.msg, message)
    return list(messages.values())


def check_settings() -> list[CheckMessage]:
    """Check the shape and the values of ``IMGMOD``."""
    try:
        given = imgmod_settings.given
    except ImgmodConfigurationError as error:
        return [Error(str(error), hint=f"Write IMGMOD = {{}} to use the defaults. {DOCS}", id="imgmod.E001")]
    found: list[CheckMessage] = [
        Error(
            f"IMGMOD has an unknown key: {key!r}.",
            hint=f"Known keys are: {', '.join(SETTINGS)}.",
            id="imgmod.E002",
        )
        for key in given
        if key not in SETTINGS
    ]
    for key in SETTINGS:
        found += _error_of(partial(imgmod_settings.value, key), "imgmod.E003", f"Correct the type. {DOCS}")
    if found:
        return found
    return [
        *_error_of(lambda: imgmod_settings.policies, "imgmod.E004", f"Correct the policy. {DOCS}"),
        *_error_of(dispatcher_class, "imgmod.E005", "Name a dispatcher of django_imgmod.dispatch or one of your own."),
        *_error_of(lambda: imgmod_settings.shows_unrecorded, "imgmod.E006", 'Choose "hide" or "show".'),
        *_error_of(lambda: imgmod_settings.review, "imgmod.E009", f"Correct the entry. {DOCS}"),
        *_error_of(lambda: imgmod_settings.editors, "imgmod.E013", f"Correct the entry. {DOCS}"),
        *_error_of(lambda: imgmod_settings.placeholder, "imgmod.E014", f"Correct the entry. {DOCS}"),
        *_check_callback_base_url(),
    ]


def check_providers() -> list[CheckMessage]:
    """Check that every configured provider can be made."""
    try:
        aliases = list(imgmod_settings.providers)
    except ImgmodConfigurationError as error:
        return [Error(str(error), hint=f"Correct the entry. {DOCS}", id="imgmod.E010")]
    found: list[CheckMessage] = []
    if DEFAULT_ALIAS not in aliases:
        found.append(
            Error(
                f'IMGMOD["PROVIDERS"] has no entry "{DEFAULT_ALIAS}".',
                hint="It judges every watched field that names no other provider.",
                id="imgmod.E011",
            )
        )
    for alias in aliases:
        hint = "Correct its BACKEND and OPTIONS, or install what the message names."
        found += _error_of(partial(providers.__getitem__, alias), "imgmod.E012", hint)
    return found


def check_watched_fields() -> list[CheckMessage]:
    """Check that the settings and ``@moderate`` name fields, providers and policies that exist."""
    try:
        watched = list(all_watched_fields())
        policies, aliases = imgmod_settings.policies, imgmod_settings.providers
        labels = {*imgmod_settings.fields, *imgmod_settings.exclude} - {ALL_FIELDS}
    except ImgmodConfigurationError as error:
        return [Error(str(error), hint=f"Correct IMGMOD. {DOCS}", id="imgmod.E020")]
    found: list[CheckMessage] = [
        Error(
            f"@moderate names {name!r}, which is no image or file field that {model._meta.label} itself defines.",
            hint="Correct the name, or decorate the model that defines the field.",
            obj=model,
            id="imgmod.E021",
        )
        for model, name in undefined_declarations()
    ]
    for label in sorted(labels, key=str):
        if problem := _problem_of_label(label, is_model_allowed=label in imgmod_settings.exclude):
            found.append(
                Error(
                    f'IMGMOD["FIELDS"] or IMGMOD["EXCLUDE"] names {label!r}: {problem}',
                    hint='Write it as "app_label.Model.field", with a model that itself defines the field.',
                    id="imgmod.E022",
                )
            )
    for field in watched:
        for kind, name, known in (("provider", field.provider, aliases), ("policy", field.policy, policies)):
            if name not in known:
                found.append(
                    Error(
                        f'{field.label} is to use the {kind} "{name}", which is not configured.',
                        hint=f"Configured are: {', '.join(known)}.",
                        id="imgmod.E023",
                    )
                )
    return [
        *found,
        *_check_uploaders(watched),
        *_check_storages(watched),
        *_check_replaced_files(watched),
        *_check_keys(watched),
        *_check_composite_keys(),
    ]


def _error_of(read: Callable[[], object], check_id: str, hint: str) -> Iterator[CheckMessage]:
    try:
        read()
    except ImgmodConfigurationError as error:
        yield Error(str(error), hint=hint, id=check_id)


def _check_callback_base_url() -> Iterator[CheckMessage]:
    url = imgmod_settings.callback_base_url
    if url is not None and not re.match(r"https?://\w", url):
        yield Error(
            f'IMGMOD["CALLBACK_BASE_URL"] must begin with "https://", not {url!r}.',
            hint="It is the address under which the provider reaches this site.",
            id="imgmod.E007",
        )
    elif url is not None and not _has_callback_address():
        yield Error(
            'IMGMOD["CALLBACK_BASE_URL"] is set, but the site has no address for callbacks.',
            hint='Add to the urls.py of the site: path("imgmod/", include("django_imgmod.urls"))',
            id="imgmod.E008",
        )
    elif url is not None:
        yield from _error_of(partial(callback_address, DEFAULT_ALIAS), "imgmod.E007", "Correct the name of the host.")


def _has_callback_address() -> bool:
    try:
        reverse("django_imgmod:callback", args=["default"])
    except NoReverseMatch:
        return False
    return True


def _problem_of_label(label: object, *, is_model_allowed: bool) -> str:
    """Return what is wrong with a name in FIELDS or EXCLUDE, or nothing."""
    parts = label.split(".") if isinstance(label, str) else []
    if len(parts) != 3 and not (is_model_allowed and len(parts) == 2):
        return "that is no name of a field."
    try:
        model = apps.get_model(parts[0], parts[1])
    except LookupError as error:
        return str(error)
    if model._meta.label != ".".join(parts[:2]):
        return f'the model is called "{model._meta.label}".'
    if len(parts) == 2:
        return ""
    try:
        field = model._meta.get_field(parts[2])
    except FieldDoesNotExist as error:
        return str(error)
    if not isinstance(field, models.FileField):
        return "that is no image or file field."
    if field.model is not model:
        return f'the field is defined by "{field.model._meta.label}".'
    return ""


def _check_uploaders(watched: Sequence[WatchedField]) -> Iterator[CheckMessage]:
    """Check that each path leads to a user. That of all fields may lead to nobody, but not from every one of them."""
    of_all = imgmod_settings.fields.get(ALL_FIELDS, {}).get("uploader", "")
    wrong = [field for field in watched if field.uploader and field.uploader_path is None]
    is_of_use = any(field.uploader == of_all and field.uploader_path for field in watched)
    for field in wrong:
        if field.uploader != of_all or not is_of_use:
            yield Error(
                f'The uploader of {field.label} is to be found by "{field.uploader}", which leads to no user.',
                hint='Name foreign keys as in a query, "owner" or "album__owner"; "pk" where the row is the user.',
                obj=field.model,
                id="imgmod.E027",
            )


def _check_storages(watched: Iterable[WatchedField]) -> Iterator[CheckMessage]:
    for field in watched:
        # The names that Django's and django-storages' classes give it.
        if any(getattr(field.field.storage, name, False) for name in ("_allow_overwrite", "file_overwrite")):
            yield CheckWarning(
                f"The storage of {field.label} overwrites files: new bytes under an old name may not be noticed.",
                hint="Let it give each upload a name of its own (allow_overwrite or file_overwrite = False).",
                obj=field.model,
                id="imgmod.W025",
            )


def _check_replaced_files(watched: Iterable[WatchedField]) -> Iterator[CheckMessage]:
    """Check that nothing deletes the files that stay live: another upload could get such a file's name."""
    if not apps.is_installed("django_cleanup"):
        return
    for field in watched:
        if field.keep_last_accepted:
            yield CheckWarning(
                f"Of {field.label} the file that was accepted last is to stay live, but django_cleanup deletes it.",
                hint="Leave the model out with its cleanup.ignore and silence this check, or end keep_last_accepted.",
                obj=field.model,
                id="imgmod.W029",
            )


def _check_keys(watched: Iterable[WatchedField]) -> Iterator[CheckMessage]:
    for model in {field.model: None for field in watched}:
        if (key_field_of(model).max_length or 0) > MAX_KEY_LENGTH:
            yield CheckWarning(
                f"Keys of {model._meta.label} may be longer than the {MAX_KEY_LENGTH} characters that are kept.",
                hint="Saving an image of an object with a longer key fails. Shorten the key, or exclude the model.",
                obj=model,
                id="imgmod.W026",
            )


def _check_composite_keys() -> Iterator[CheckMessage]:
    for model in apps.get_models():
        if has_composite_key(model) and any(isinstance(field, models.ImageField) for field in model._meta.fields):
            yield CheckWarning(
                f"The images of {model._meta.label} are not watched: its primary key has several columns.",
                hint='Move the image to a model with a key of one column, or add the model to IMGMOD["EXCLUDE"].',
                obj=model,
                id="imgmod.W024",
            )
