"""What is never sent, and how people and sites say no."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_counting import read_for, select_and_copy

ALLOWED = {"token", "id", "event_id", "signals"}


def use_and_leave(visit: Visit) -> None:
    """Do what would be counted."""
    select_and_copy(visit, "[data-ratchet-id]", "[data-ratchet-id]")
    read_for(visit, 300)
    visit.leave()


def expect_only_what_the_reader_sends(visit: Visit, name: str) -> None:
    """Rate the answer, use it, leave, and find that nothing but the rating arrived."""
    visit.page.get_by_role("button", name="Helpful", exact=True).click()
    visit.page.get_by_role("status").filter(has_text="Thank you").wait_for()
    use_and_leave(visit)
    visit.page.wait_for_timeout(400)
    assert [feedback["thumb"] for feedback in visit.received(name)] == ["up"]
    assert visit.signals(name) == {}


class TestContent:
    def test_what_is_counted_goes_without_any_text_of_answer_or_reader(self, visit: Visit) -> None:
        markup, name = visit.answer("Confidential answer text.")
        visit.open(markup + "<label>Question <input></label>")
        visit.page.get_by_label("Question").fill("Confidential question text.")
        visit.page.get_by_role("button", name="Comment").click()
        visit.page.keyboard.type("Confidential draft.")
        use_and_leave(visit)
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert "onfidential" not in json.dumps(visit.received(name))
        assert "onfidential" not in json.dumps(visit.sent)

    def test_a_message_holds_nothing_but_the_documented_fields(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.evaluate(
            "const send = navigator.sendBeacon.bind(navigator); navigator.sendBeacon = (url, body) =>"
            " (window.body = body.text(), send(url, body)); null"
        )
        read_for(visit, 300)
        visit.page.evaluate("Ratchet.flush()")
        visit.wait_for(name, lambda feedback: feedback["signals"])
        body = json.loads(visit.page.evaluate("window.body"))
        assert set(body) == ALLOWED
        assert set(body["signals"]) == {"dwell_ms", "abandon"}

    def test_the_browser_key_goes_along_when_there_is_one(self, visit: Visit) -> None:
        visit.show(script='data-key="rk_pk_invented"')
        visit.page.route("**/v1/feedback", lambda route: route.fulfill(status=201, body="{}"))
        with visit.page.expect_request(lambda request: request.method == "POST") as seen:
            visit.page.get_by_role("button", name="Helpful", exact=True).click()
        assert seen.value.post_data_json["key"] == "rk_pk_invented"
        visit.page.wait_for_timeout(100)
        visit.may_complain = True  # The invented reply has no CORS header.


class TestConsent:
    def test_nothing_is_counted_before_consent(self, visit: Visit) -> None:
        expect_only_what_the_reader_sends(visit, visit.show(script='data-consent="required"'))

    def test_counting_starts_with_consent_and_not_before(self, visit: Visit) -> None:
        visit.page.clock.install()
        name = visit.show(script='data-consent="required"')
        select_and_copy(visit, "[data-ratchet-id]", "[data-ratchet-id]")
        read_for(visit, 200)
        visit.page.clock.run_for(60_000)
        visit.page.evaluate("Ratchet.consent(true)")
        read_for(visit, 300)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert "copy" not in visit.signals(name)
        assert 200 <= visit.signals(name)["dwell_ms"] < 30_000

    def test_consent_withdrawn_ends_the_counting(self, visit: Visit) -> None:
        name = visit.show()
        read_for(visit, 300)
        visit.page.evaluate("Ratchet.consent(false)")
        expect_only_what_the_reader_sends(visit, name)

    def test_what_was_counted_before_consent_was_withdrawn_does_not_come_back_with_it(self, visit: Visit) -> None:
        visit.page.clock.install()
        name = visit.show()
        select_and_copy(visit, "[data-ratchet-id]", "[data-ratchet-id]")
        read_for(visit, 200)
        visit.page.clock.run_for(60_000)
        visit.page.evaluate("Ratchet.consent(false); Ratchet.consent(true)")
        read_for(visit, 300)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert "copy" not in visit.signals(name)
        assert 200 <= visit.signals(name)["dwell_ms"] < 30_000

    def test_a_consent_banner_can_wait_for_the_snippet(self, visit: Visit) -> None:
        visit.page.add_init_script("addEventListener('ratchet:ready', () => (window.ready = typeof Ratchet.consent))")
        visit.page.add_init_script("document.addEventListener('ratchet:ready', () => (window.ready = 'yes'))")
        visit.show()
        assert visit.page.evaluate("window.ready") == "yes"


class TestOptingOut:
    def test_it_outlasts_the_page(self, visit: Visit) -> None:
        visit.show()
        visit.page.evaluate("Ratchet.optOut()")
        expect_only_what_the_reader_sends(visit, visit.show())

    def test_it_discards_what_was_counted(self, visit: Visit) -> None:
        name = visit.show()
        read_for(visit, 300)
        visit.page.evaluate("Ratchet.optOut()")
        expect_only_what_the_reader_sends(visit, name)

    def test_it_can_be_taken_back(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.evaluate("Ratchet.optOut(); Ratchet.optOut(false)")
        use_and_leave(visit)
        assert visit.wait_for(name, lambda feedback: feedback["signals"].get("copy"))

    def test_it_holds_for_the_page_where_storage_is_blocked(self, visit: Visit) -> None:
        visit.page.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked') } })"
        )
        name = visit.show()
        visit.page.evaluate("Ratchet.optOut()")
        expect_only_what_the_reader_sends(visit, name)


class TestTheBrowsersOwnSignals:
    @pytest.mark.parametrize(
        ("name", "value"), [("globalPrivacyControl", "true"), ("doNotTrack", "'1'")], ids=["GPC", "do not track"]
    )
    def test_it_is_respected(self, new_visit: Callable[..., Visit], name: str, value: str) -> None:
        visit = new_visit()
        visit.page.add_init_script(f"Object.defineProperty(navigator, '{name}', {{ value: {value} }})")
        expect_only_what_the_reader_sends(visit, visit.show())
