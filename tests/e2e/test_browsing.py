"""Do the tests of this package notice what they are there to notice?"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from .browsing import PHONE, Browsing, assert_accessible, assert_fits

LOGIN = "/admin/login/"


def test_what_the_policy_forbids_is_complained_of(browsing: Browsing) -> None:
    page = browsing.open(LOGIN)
    page.evaluate("""document.body.insertAdjacentHTML("beforeend", '<p style="color: red">Red</p>')""")
    browsing.expect_complaint("inline style violates the following Content Security Policy")


def test_what_a_script_raises_is_complained_of(browsing: Browsing) -> None:
    page = browsing.open(LOGIN)
    page.evaluate("new Promise(done => setTimeout(() => { setTimeout(done); throw new Error('broken'); }))")
    browsing.expect_complaint("raised: .*broken")


def test_what_cannot_be_loaded_is_complained_of(browsing: Browsing) -> None:
    page = browsing.open(LOGIN)
    page.evaluate("fetch('/nowhere/').then(answer => answer.status)")
    browsing.expect_complaint("404")


def test_field_without_a_label_is_found(browsing: Browsing) -> None:
    page = browsing.open(LOGIN)
    page.evaluate("document.querySelectorAll('label').forEach(label => label.remove())")
    with pytest.raises(AssertionError, match="label"):
        assert_accessible(page)


def test_page_that_is_too_wide_is_found(browsing: Browsing) -> None:
    page = browsing.open(LOGIN, PHONE)
    page.evaluate("document.body.style.width = '600px'")
    with pytest.raises(AssertionError, match="pixels wider"):
        assert_fits(page)


def test_djangos_own_admin_keeps_to_the_policy(browsing: Browsing) -> None:
    root = User.objects.create_superuser("root")
    for path in ("/admin/", "/admin/auth/user/", f"/admin/auth/user/{root.pk}/change/", "/admin/password_change/"):
        browsing.open(path, user=root)


def test_site_is_written_from_right_to_left(browsing: Browsing, right_to_left: None) -> None:
    page = browsing.open(LOGIN)
    assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"
