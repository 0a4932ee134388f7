"""What docs/api.md says."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.urls import resolve, reverse

from django_imgmod.rest.access import RATES
from django_imgmod.rest.fields import ModeratedImageField
from django_imgmod.rest.parameters import QueueParameters, RecordParameters
from django_imgmod.rest.requests import DecideSerializer
from django_imgmod.rest.urls import ROUTES
from django_imgmod.validators import HighRiskValidator
from tests.hostapp.models import Photo

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first cell is called so."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_address_is_in_the_table():
    told = {
        name.strip("`"): (method, re.sub(r"<\w+>", "<>", address)) for method, address, name, _does in rows("method")
    }
    assert told == {
        name: ("GET" if hasattr(view, "get") else "POST", "`" + re.sub(r"<str:\w+>", "<>", address) + "`")
        for name, (address, view) in ROUTES.items()
    }


def test_every_rate_is_in_the_table():
    assert {scope.strip("`"): rate.strip("`") for scope, rate, _of in rows("scope")} == RATES


def test_every_parameter_is_in_the_table():
    assert {name.strip("`") for name, _means in rows("parameter")} == {
        *RecordParameters().fields,
        *QueueParameters().fields,
    }


def test_decision_is_one():
    decision, problem = map(json.loads, blocks("json"))
    assert DecideSerializer(data=decision).is_valid()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "record"}


@pytest.mark.parametrize("number", [0, 1])
def test_urls_are_those_of_a_site(number, settings):
    site: Any = ModuleType("site_urls")
    exec(blocks("python")[number], vars(site))  # noqa: S102 - our own page
    settings.ROOT_URLCONF = site
    address = reverse("django_imgmod_api:record-list")
    assert address == "/imgmod/api/records/"
    names = [one.__name__ for one in resolve(address).func.view_initkwargs.get("authentication_classes", [])]
    assert names == [[], ["TokenAuthentication", "SessionAuthentication"]][number]


def test_fields_and_forms_are_as_shown(monkeypatch):
    shop = ModuleType("shop.models")
    shop.Product = Photo  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(__import__("sys").modules, "shop.models", shop)
    scope: dict[str, Any] = {"__name__": "shop.api"}
    for block in blocks("python")[2:]:
        exec(block.replace('"name"', '"title"'), scope)  # noqa: S102 - our own page
    assert isinstance(scope["ProductSerializer"]().fields["image"], ModeratedImageField)
    assert HighRiskValidator("shop.Product.image") in scope["ProductForm"].base_fields["image"].validators


def test_what_stands_in_a_sentence_can_be_written():
    for example in re.findall(r"`((?:ModeratedImageField|HighRiskValidator|api_urls)\(.*?\))`", PAGE):
        ast.parse(example)
