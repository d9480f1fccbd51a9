"""Pages of other origins: who may ask, and who may read the answer."""

from __future__ import annotations

import pytest

from ratchet.web.access import Access, Caller, make_key, revoke_key
from ratchet.web.cors import Cors
from ratchet.web.routes.table import ROUTES
from ratchet.wiring import House
from tests.web.running import Running

SHOP, EVIL = "https://shop.example", "https://evil.example"
FEEDBACK = next(route for route in ROUTES if route.by_token)
ALLOW = "access-control-allow-origin"
NOBODY = Caller("a page", ())


def cors(house: House, *origins: str) -> Cors:
    return Cors(Access(house.outside, loopback=True), origins)


FOR_PAGES = {("POST", "/v1/feedback"), ("GET", "/v1/feedback/{id}/status")}


def test_only_feedback_and_what_came_of_it_is_for_pages_of_others(house: House) -> None:
    given = {
        (route.method, route.path)
        for route in ROUTES
        if cors(house, "*").headers(route, {"origin": SHOP}, NOBODY).get(ALLOW) == SHOP
    }
    assert given == FOR_PAGES


def test_nothing_is_said_to_who_is_no_page(house: House) -> None:
    assert cors(house, "*").headers(FEEDBACK, {}, NOBODY) == {}
    assert ALLOW not in cors(house, "*").preflight({})


def test_an_origin_that_is_not_on_the_list_reads_nothing(house: House) -> None:
    assert cors(house, SHOP).headers(FEEDBACK, {"origin": SHOP}, NOBODY)[ALLOW] == SHOP
    assert cors(house, SHOP).headers(FEEDBACK, {"origin": EVIL}, NOBODY) == {"vary": "Origin"}


def test_credentials_are_never_allowed(house: House) -> None:
    found = cors(house, "*")
    for headers in (found.headers(FEEDBACK, {"origin": SHOP}, NOBODY), found.preflight({"origin": SHOP})):
        assert "access-control-allow-credentials" not in headers
        assert headers[ALLOW] != "*"
        assert headers["vary"] == "Origin"


def test_a_browser_key_brings_origins_of_its_own(house: House) -> None:
    key, _ = make_key(house.outside, "page", kind="browser", origins=[SHOP])
    found = cors(house, "https://other.example")
    for caller in (NOBODY, Caller(key.id, (), key)):
        # Which key a page has may stand in its body: a refusal is for its eyes as well.
        assert found.headers(FEEDBACK, {"origin": SHOP}, caller)[ALLOW] == SHOP
        assert ALLOW not in found.headers(FEEDBACK, {"origin": EVIL}, caller)


def test_a_preflight_knows_no_key_so_any_keys_origin_may_ask(house: House) -> None:
    assert ALLOW not in cors(house, "https://other.example").preflight({"origin": SHOP})
    key, _ = make_key(house.outside, "page", kind="browser", origins=[SHOP])
    found = cors(house, "https://other.example")
    assert found.preflight({"origin": SHOP})[ALLOW] == SHOP
    assert ALLOW not in found.preflight({"origin": EVIL})
    revoke_key(house.outside, key.id)
    assert ALLOW not in cors(house, "https://other.example").preflight({"origin": SHOP})


def test_no_origin_in_the_settings_lets_no_page_in(house: House) -> None:
    assert ALLOW not in cors(house).preflight({"origin": SHOP})


def test_a_secret_key_is_for_no_page(house: House) -> None:
    make_key(house.outside, "server", origins=[SHOP])
    assert ALLOW not in cors(house, "https://other.example").preflight({"origin": SHOP})


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_preflight_is_answered_and_allows_what_is_for_pages(live: Running, path: str) -> None:
    headers = {"origin": SHOP, "access-control-request-method": "POST"}
    answered = live.call("OPTIONS", path.replace("{", "").replace("}", ""), headers=headers)
    assert answered.status == 204
    assert (answered.headers.get(ALLOW) == SHOP) is (path in {known for _, known in FOR_PAGES})
    assert answered.headers["allow"].split(", ")[-1] == "OPTIONS"
