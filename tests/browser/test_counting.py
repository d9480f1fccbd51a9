"""What is counted of how an answer is used, and when it is sent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.browser.conftest import Visit

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}"""
SELECT = """([from, to]) => {
  const range = document.createRange();
  range.setStartBefore(document.querySelector(from));
  range.setEndAfter(document.querySelector(to));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


def select_and_copy(visit: Visit, first: str, last: str) -> None:
    visit.page.evaluate(SELECT, [first, last])
    visit.page.keyboard.press("Control+c")


def fake_tab(visit: Visit, *, hidden: bool) -> None:
    """What a page sees when the reader turns to another tab, or comes back."""
    visit.page.evaluate(HIDE, hidden)


def read_for(visit: Visit, ms: int) -> None:
    visit.page.wait_for_timeout(ms)


class TestDwell:
    def test_the_time_an_answer_was_seen_arrives_when_the_page_is_left(self, visit: Visit) -> None:
        opened = time.monotonic()
        name = visit.show()
        read_for(visit, 700)
        assert visit.sent == []
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert 500 <= visit.signals(name)["dwell_ms"] <= (time.monotonic() - opened) * 1000

    def test_time_in_another_tab_does_not_count(self, visit: Visit) -> None:
        visit.page.clock.install()
        name = visit.show()
        visit.page.wait_for_timeout(200)
        visit.page.clock.run_for(5000)
        fake_tab(visit, hidden=True)
        visit.page.clock.run_for(60_000)
        fake_tab(visit, hidden=False)
        visit.page.clock.run_for(4000)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"].get("dwell_ms", 0) > 8000)
        assert 9000 <= visit.signals(name)["dwell_ms"] <= 30_000

    def test_an_answer_below_the_fold_gathers_no_time(self, visit: Visit) -> None:
        seen, first = visit.answer()
        unseen, second = visit.answer(attributes="class=far")
        visit.open(seen + unseen)
        read_for(visit, 500)
        visit.leave()
        visit.wait_for(first, lambda feedback: feedback["signals"])
        assert visit.received(second) == []

    def test_it_begins_when_the_answer_is_scrolled_to(self, visit: Visit) -> None:
        visit.page.clock.install()
        name = visit.show(attributes="class=far")
        visit.page.clock.run_for(60_000)
        visit.page.get_by_text("Parcels").scroll_into_view_if_needed()
        read_for(visit, 500)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert 300 <= visit.signals(name)["dwell_ms"] < 30_000

    def test_it_ends_when_the_element_shows_another_answer(self, visit: Visit) -> None:
        visit.page.clock.install()
        first = visit.show()
        read_for(visit, 300)
        _, second = visit.answer()
        visit.page.evaluate(
            "([token, id]) => void Ratchet.attach(document.querySelector('[data-ratchet-id]'), { token, id })",
            [visit.service.token(second), second],
        )
        read_for(visit, 200)
        visit.page.clock.run_for(60_000)
        visit.leave()
        visit.wait_for(second, lambda feedback: feedback["signals"])
        visit.wait_for(first, lambda feedback: feedback["signals"])
        assert visit.signals(second)["dwell_ms"] >= 60_000
        assert visit.signals(first)["dwell_ms"] < 30_000

    def test_an_answer_longer_than_the_window_counts_while_it_fills_it(self, visit: Visit) -> None:
        name = visit.show("Long. <br>" * 400)
        read_for(visit, 500)
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["signals"].get("dwell_ms", 0) >= 400)

    def test_nothing_more_is_sent_when_nothing_more_happened(self, visit: Visit) -> None:
        visit.page.clock.install()
        name = visit.show()
        visit.page.wait_for_timeout(200)
        visit.page.clock.run_for(5000)
        visit.page.evaluate(f"[true, false, true, false, true].forEach({HIDE})")
        visit.wait_for(name, lambda feedback: feedback["signals"])
        visit.page.wait_for_timeout(200)
        assert len(visit.received(name)) == 1

    def test_it_is_sent_by_beacon_in_one_message(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.evaluate(
            "window.beacons = []; const send = navigator.sendBeacon.bind(navigator);"
            "navigator.sendBeacon = (url, body) => (beacons.push(body.type), send(url, body)); null"
        )
        select_and_copy(visit, "[data-ratchet-id]", "[data-ratchet-id]")
        read_for(visit, 300)
        fake_tab(visit, hidden=True)
        feedback = visit.wait_for(name, lambda feedback: feedback["signals"])
        assert visit.page.evaluate("beacons") == ["text/plain"]
        assert set(feedback["signals"]) == {"copy", "dwell_ms"}

    def test_without_beacons_it_arrives_all_the_same(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.evaluate("Navigator.prototype.sendBeacon = undefined")
        read_for(visit, 300)
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["signals"])

    def test_flush_sends_now(self, visit: Visit) -> None:
        name = visit.show()
        read_for(visit, 300)
        visit.page.evaluate("Ratchet.flush()")
        assert visit.wait_for(name, lambda feedback: feedback["signals"])


class TestCopy:
    def test_how_many_characters_were_copied_arrives_and_no_word_of_them(self, visit: Visit) -> None:
        name = visit.show("Parcels take 2 days.")
        select_and_copy(visit, "[data-ratchet-id]", "[data-ratchet-id]")
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert visit.signals(name)["copy"] == len("Parcels take 2 days.")
        assert "arcels" not in json.dumps(visit.received(name))

    def test_of_a_selection_that_reaches_further_only_the_answers_part_counts(self, visit: Visit) -> None:
        one, first = visit.answer("12345")
        two, second = visit.answer("1234567")
        visit.open(f"<p id=before>Before.</p>{one}<p id=between>Between.</p>{two}<p id=after>After.</p>")
        select_and_copy(visit, "#before", "#after")
        visit.leave()
        visit.wait_for(second, lambda feedback: feedback["signals"])
        assert visit.signals(first)["copy"] == 5
        assert visit.signals(second)["copy"] == 7

    def test_copying_something_else_is_not_counted(self, visit: Visit) -> None:
        markup, name = visit.answer()
        visit.open(markup + "<p id=other>Other.</p>")
        select_and_copy(visit, "#other", "#other")
        read_for(visit, 200)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert "copy" not in visit.signals(name)

    def test_the_pages_own_copy_button_counts(self, visit: Visit) -> None:
        name = visit.show("<p data-ratchet-text>12345</p><button data-ratchet-copy>Copy</button>")
        visit.page.get_by_role("button", name="Copy").click()
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert visit.signals(name)["copy"] == 5


class TestRegenerate:
    @pytest.mark.parametrize("inside", [True, False], ids=["inside the answer", "elsewhere, by the answer's id"])
    def test_a_click_on_the_pages_button_is_counted(self, visit: Visit, inside: bool) -> None:
        if inside:
            name = visit.show("Hm. <button data-ratchet-regenerate>Again</button>")
        else:
            markup, name = visit.answer()
            visit.open(f'{markup}<button data-ratchet-regenerate="{name}"><b>Again</b></button>')
        visit.page.get_by_role("button", name="Again").click()
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"].get("regenerate") is True)
        assert "abandon" not in visit.signals(name)

    def test_it_is_kept_when_the_page_takes_the_answer_away(self, visit: Visit) -> None:
        name = visit.show("Hm. <button data-ratchet-regenerate>Again</button>")
        visit.page.get_by_role("button", name="Again").click()
        visit.page.evaluate("document.querySelector('[data-ratchet-id]').remove()")
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["signals"].get("regenerate") is True)


class TestAbandon:
    def test_leaving_at_once_is_abandoning(self, visit: Visit) -> None:
        name = visit.show()
        read_for(visit, 400)
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["signals"].get("abandon") is True)

    @pytest.mark.parametrize(
        "act",
        [
            lambda visit: visit.page.get_by_text("Parcels").click(),
            lambda visit: visit.page.get_by_label("Next question").fill("And abroad?"),
            lambda visit: visit.page.get_by_role("button", name="Helpful", exact=True).click(),
        ],
        ids=["clicked on it", "asked on", "rated it"],
    )
    def test_who_did_something_with_the_answer_did_not_abandon_it(
        self, visit: Visit, act: Callable[[Visit], object]
    ) -> None:
        markup, name = visit.answer()
        visit.open(markup + "<label>Next question <input></label>")
        read_for(visit, 200)
        act(visit)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert "abandon" not in visit.signals(name)

    def test_who_stayed_some_seconds_did_not_abandon_it(self, visit: Visit) -> None:
        visit.page.clock.install()
        name = visit.show()
        visit.page.wait_for_timeout(200)
        visit.page.clock.run_for(4000)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert "abandon" not in visit.signals(name)

    def test_who_comes_back_and_reads_takes_it_back(self, visit: Visit) -> None:
        visit.page.clock.install()
        name = visit.show()
        visit.page.wait_for_timeout(200)
        visit.page.clock.run_for(1000)
        fake_tab(visit, hidden=True)
        visit.wait_for(name, lambda feedback: feedback["signals"].get("abandon") is True)
        fake_tab(visit, hidden=False)
        visit.page.clock.run_for(4000)
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["signals"].get("abandon") is False)


class TestChoosing:
    @pytest.mark.parametrize("place", ["script", "answer"])
    def test_only_the_named_signals_are_counted(self, visit: Visit, place: str) -> None:
        if place == "script":
            name = visit.show(script='data-signals="copy"')
        else:
            name = visit.show(attributes='data-ratchet-signals="copy"')
        select_and_copy(visit, "[data-ratchet-id]", "[data-ratchet-id]")
        read_for(visit, 200)
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["signals"])
        assert set(visit.signals(name)) == {"copy"}

    def test_none_counts_nothing(self, visit: Visit) -> None:
        counted, first = visit.answer("Counted.")
        old, second = visit.answer("Old.", 'data-ratchet-signals="none" id=old')
        visit.open(counted + old)
        select_and_copy(visit, "#old", "#old")
        read_for(visit, 200)
        visit.leave()
        visit.wait_for(first, lambda feedback: feedback["signals"])
        assert visit.received(second) == []

    def test_a_program_can_add_a_signal_that_only_it_can_see(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.evaluate("id => Ratchet.signal(id, 'accept', true)", name)
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["signals"].get("accept") is True)

    @pytest.mark.parametrize("place", ["script", "answer"])
    def test_an_answer_can_be_counted_without_a_toolbar(self, visit: Visit, place: str) -> None:
        if place == "script":
            name = visit.show(script='data-widgets="none"')
        else:
            name = visit.show(attributes='data-ratchet-widgets="none"')
        assert visit.page.get_by_role("group").count() == 0
        assert visit.page.get_by_role("button").count() == 0
        read_for(visit, 200)
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["signals"])
