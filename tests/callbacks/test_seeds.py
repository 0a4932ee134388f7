"""A seed fits one record of one provider under one secret, and tells nothing about any other."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_imgmod.models import CallbackReceipt
from django_imgmod.seeds import acceptable_seeds, callback_seed
from tests.callbacks.forms import ALIASES, REFUSAL, STORED, authentic, no_sql


class TestDerived:
    @pytest.mark.parametrize(
        "data_id", ["", "a", "6f2b6a3e-3b57-4a0e-9f0a-0d8f5a0c1e11", "数据-1", "\ud800", "x" * 128]
    )
    def test_is_one_that_every_provider_takes(self, data_id):
        """At most 64 letters, digits and underscores."""
        assert re.fullmatch(r"[0-9a-f]{64}", callback_seed("default", data_id))

    def test_is_the_same_in_every_process_and_release(self, settings):
        """Or else pictures that are being judged would be called back about in vain."""
        settings.SECRET_KEY = "secret"
        made = "6fd519aa79d24978d6e443a65654c33bc82a93d33c46ebed1dad13e3e71d5933"
        assert callback_seed("default", "a") == made

    def test_is_another_for_each_provider_record_and_secret(self, settings):
        seeds = set()
        for secret, provider, data_id in itertools.product(["s", "t", "st"], ["p", "q", "pq"], ["d", "e", "de", ""]):
            settings.SECRET_KEY = secret
            seeds.add(callback_seed(provider, data_id))
        assert len(seeds) == 3 * 3 * 4

    @given(st.tuples(st.text(max_size=5), st.text(max_size=5)), st.tuples(st.text(max_size=5), st.text(max_size=5)))
    def test_where_one_name_ends_and_the_other_begins_counts(self, one, other):
        assert (callback_seed(*one) == callback_seed(*other)) == (one == other)

    @pytest.mark.parametrize("pair", [("ab", "c"), ("a", "bc"), ("", "abc"), ("1\na", "bc"), ("a\nb", "c")])
    def test_nor_do_names_run_together(self, pair):
        others = [("ab", "c"), ("a", "bc"), ("", "abc"), ("1\na", "bc"), ("a\nb", "c")]
        assert [other for other in others if callback_seed(*other) == callback_seed(*pair)] == [pair]


class TestSecretsOfBefore:
    def test_present_one_is_first(self, settings):
        settings.SECRET_KEY = "new"
        settings.SECRET_KEY_FALLBACKS = ["old", "older"]
        seeds = acceptable_seeds("default", "a")
        assert seeds[0] == callback_seed("default", "a")
        made = []
        for secret in ("new", "old", "older"):
            settings.SECRET_KEY = secret
            made.append(callback_seed("default", "a"))
        assert seeds == made

    @pytest.mark.django_db(databases=["default", "other"])
    @pytest.mark.parametrize("alias", ALIASES)
    def test_are_good_as_long_as_they_are_named(self, waiting, settings, alias):
        """From one rotation to the next, and not a day longer; nor is a secret of the future."""
        asked = authentic(alias).request()
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second", [settings.SECRET_KEY]
        assert asked.send() == STORED
        asked_next = authentic(alias).request()
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "third", ["second"]
        assert asked_next.send() == STORED
        settings.SECRET_KEY = "fourth"
        of_the_fourth = authentic(alias).request()
        settings.SECRET_KEY = "third"
        with no_sql():
            assert [asked.send(), of_the_fourth.send()] == [REFUSAL, REFUSAL]
        assert CallbackReceipt.objects.count() == 2
