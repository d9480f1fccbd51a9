"""What people say about an answer through the toolbar, and through the page's own code."""

from __future__ import annotations

import json
from typing import Any

from tests.browser.conftest import Visit

ALL = 'data-ratchet-widgets="thumbs stars edit comment"'


def text_of_status(visit: Visit, text: str) -> None:
    visit.page.get_by_role("status").filter(has_text=text).wait_for()


class TestThumbs:
    def test_up_arrives_and_is_shown_as_pressed_and_thanked_for(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        text_of_status(visit, "Thank you")
        assert visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")
        assert visit.page.get_by_role("button", name="Helpful", exact=True, pressed=True).count() == 1
        assert visit.page.get_by_role("button", name="Not helpful", pressed=False).count() == 1

    def test_changing_ones_mind_sends_the_other_thumb_after_the_first(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.page.get_by_role("button", name="Not helpful").click()
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "down")
        assert [feedback["thumb"] for feedback in visit.received(name)] == ["up", "down"]
        assert visit.page.get_by_role("button", pressed=True).count() == 1

    def test_down_offers_the_comment_box_without_moving_the_focus(self, visit: Visit) -> None:
        visit.show()
        visit.page.get_by_role("button", name="Not helpful").click()
        visit.page.get_by_role("textbox").wait_for()
        assert visit.page.get_by_role("button", name="Not helpful").evaluate("each => each.matches(':focus')")

    def test_the_request_needs_no_preflight_and_carries_no_cookie(self, visit: Visit) -> None:
        name = visit.show()
        with visit.page.expect_request(lambda request: request.method == "POST") as seen:
            visit.page.get_by_role("button", name="Helpful", exact=True).click()
        headers = seen.value.all_headers()
        visit.wait_for(name, lambda feedback: feedback["thumb"])
        assert headers["content-type"] == "text/plain"
        assert "cookie" not in headers
        assert not [sent for sent in visit.sent if sent.startswith("OPTIONS")]


class TestStars:
    def test_a_click_arrives(self, visit: Visit) -> None:
        name = visit.show(attributes=ALL)
        visit.page.get_by_role("radio", name="4 of 5 stars").click()
        visit.wait_for(name, lambda feedback: feedback["stars"] == 4)

    def test_arrow_keys_choose_and_only_the_star_where_they_stop_is_sent(self, visit: Visit) -> None:
        name = visit.show(attributes=ALL)
        visit.page.get_by_role("radio", name="1 of 5 stars").focus()
        for _ in range(2):
            visit.page.keyboard.press("ArrowRight")
        visit.wait_for(name, lambda feedback: feedback["stars"])
        assert [feedback["stars"] for feedback in visit.received(name)] == [3]
        assert visit.page.get_by_role("radio", name="3 of 5 stars").is_checked()

    def test_a_star_chosen_just_before_leaving_is_not_lost(self, visit: Visit) -> None:
        name = visit.show(attributes=ALL)
        visit.page.get_by_role("radio", name="2 of 5 stars").click()
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["stars"] == 2)


class TestTheBoxes:
    def test_a_correction_starts_from_the_answer_and_says_how_much_was_changed(self, visit: Visit) -> None:
        name = visit.show("Parcels take 2 to 4 days.")
        visit.page.get_by_role("button", name="Correct").click()
        box = visit.page.get_by_role("textbox", name="What should the answer say?")
        assert box.input_value() == "Parcels take 2 to 4 days."
        box.fill("Parcels take 2 to 5 days.")
        visit.page.get_by_role("button", name="Send").click()
        feedback = visit.wait_for(name, lambda feedback: feedback["correction"])
        assert feedback["correction"] == "Parcels take 2 to 5 days."
        assert feedback["signals"]["edit"] == round(1 / 25, 3)
        visit.page.get_by_role("textbox").wait_for(state="hidden")

    def test_an_answer_rewritten_from_scratch_is_changed_altogether(self, visit: Visit) -> None:
        name = visit.show("abc")
        visit.page.get_by_role("button", name="Correct").click()
        visit.page.get_by_role("textbox").fill("Quite another.")
        visit.page.get_by_role("button", name="Send").click()
        assert visit.wait_for(name, lambda feedback: feedback["correction"])["signals"] == {"edit": 1}

    def test_an_answer_sent_back_unchanged_is_no_correction(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.get_by_role("button", name="Correct").click()
        visit.page.get_by_role("button", name="Send").click()
        visit.page.get_by_role("textbox").wait_for(state="hidden")
        visit.page.evaluate("id => Ratchet.rate(id, {thumb: 'up'})", name)
        assert [feedback["correction"] for feedback in visit.received(name)] == [""]

    def test_only_the_part_that_is_marked_as_the_text_is_offered_for_correction(self, visit: Visit) -> None:
        visit.show("<b>Bot</b> <p data-ratchet-text>Ask us.</p>")
        visit.page.get_by_role("button", name="Correct").click()
        assert visit.page.get_by_role("textbox").input_value() == "Ask us."

    def test_a_comment_arrives_by_keyboard_alone(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.get_by_role("button", name="Comment").focus()
        visit.page.keyboard.press("Enter")
        visit.page.keyboard.type("Too long.")
        visit.page.keyboard.press("Control+Enter")
        assert visit.wait_for(name, lambda feedback: feedback["comment"] == "Too long.")
        text_of_status(visit, "Thank you")
        assert visit.page.get_by_role("button", name="Comment").evaluate("each => each.matches(':focus')")

    def test_an_empty_comment_is_not_sent(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.get_by_role("button", name="Comment").click()
        visit.page.get_by_role("button", name="Send").click()
        visit.page.get_by_role("textbox").fill("  \n ")
        visit.page.get_by_role("button", name="Send").click()
        visit.page.evaluate("id => Ratchet.rate(id, {thumb: 'up'})", name)
        assert len(visit.received(name)) == 1

    def test_escape_closes_the_box_and_tells_the_page_nothing(self, visit: Visit) -> None:
        visit.show()
        visit.page.evaluate("window.heard = []; addEventListener('keydown', (event) => heard.push(event.key))")
        visit.page.get_by_role("button", name="Comment").click()
        visit.page.keyboard.type("ab")
        visit.page.keyboard.press("Escape")
        visit.page.get_by_role("textbox").wait_for(state="hidden")
        assert visit.page.evaluate("heard") == []
        assert visit.page.get_by_role("button", name="Comment", expanded=False).count() == 1


class TestFailures:
    def fail(self, visit: Visit, times: int, status: int = 503) -> None:
        """Let the service refuse the next requests."""
        left = [times]

        def handle(route: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                route.continue_()
            else:
                route.fulfill(status=status, body="{}", headers={"Access-Control-Allow-Origin": "*"})

        visit.page.route("**/v1/feedback", handle)

    def test_what_fails_is_sent_again_as_the_same_event(self, visit: Visit) -> None:
        name = visit.show()
        self.fail(visit, times=2)
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        text_of_status(visit, "Thank you")
        assert len(visit.received(name)) == 1
        bodies = [json.loads(sent.partition(" ")[2]) for sent in visit.sent]
        assert len(bodies) == 3
        assert {body["event_id"] for body in bodies} == {visit.received(name)[0]["id"]}
        visit.may_complain = True  # The browser itself reports every refusal.

    def test_a_rating_that_had_to_wait_does_not_overtake_a_later_one(self, visit: Visit) -> None:
        name = visit.show()
        self.fail(visit, times=1)
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.page.wait_for_timeout(100)
        visit.page.get_by_role("button", name="Not helpful").click()
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "down")
        assert [feedback["thumb"] for feedback in visit.received(name)] == ["up", "down"]
        visit.may_complain = True

    def test_what_cannot_be_sent_is_said_and_nothing_is_shown_as_given(self, visit: Visit) -> None:
        visit.show()
        self.fail(visit, times=1, status=401)
        visit.page.evaluate("addEventListener('ratchet:failed', (event) => (window.failed = event.detail.status))")
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        text_of_status(visit, "could not be sent")
        assert visit.page.get_by_role("button", pressed=True).count() == 0
        assert visit.page.evaluate("window.failed") == 401
        visit.may_complain = True

    def test_after_the_last_attempt_the_words_are_still_in_the_box(self, visit: Visit) -> None:
        visit.page.clock.install()
        visit.show()
        self.fail(visit, times=4)
        visit.page.get_by_role("button", name="Comment").click()
        visit.page.keyboard.type("Precious words.")
        visit.page.keyboard.press("Control+Enter")
        while not visit.page.get_by_role("status").inner_text():
            visit.page.clock.run_for(2000)
            visit.page.wait_for_timeout(20)
        assert len(visit.sent) == 4
        text_of_status(visit, "could not be sent")
        assert visit.page.get_by_role("textbox").input_value() == "Precious words."
        visit.may_complain = True

    def test_what_waits_for_another_attempt_is_sent_when_the_page_is_left(self, visit: Visit) -> None:
        name = visit.show()
        self.fail(visit, times=1)
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.page.wait_for_timeout(200)
        assert visit.received(name) == []
        visit.leave()
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")
        visit.may_complain = True


class TestTheProgrammersSide:
    def test_rate_sends_any_scores_and_returns_the_acknowledgement(self, visit: Visit) -> None:
        name = visit.show()
        fields = {"scores": {"accuracy": 2, "safe": True}, "flags": ["outdated"], "stars": 2, "user": "u1"}
        sent = visit.page.evaluate(
            "fields => Ratchet.rate(document.querySelector('[data-ratchet-id]'), fields)", fields
        )
        feedback = visit.wait_for(name, lambda feedback: feedback["stars"] == 2)
        assert sent["feedback_id"] == feedback["id"]
        assert feedback["flags"] == ["outdated"]
        assert feedback["user"] == "u1"

    def test_rate_takes_a_token_whose_answer_is_not_on_the_page(self, visit: Visit) -> None:
        visit.show()
        _, name = visit.answer()
        visit.page.evaluate("token => Ratchet.rate(token, {thumb: 'up'})", visit.service.token(name))
        assert visit.received(name)[0]["thumb"] == "up"

    def test_rate_never_throws_but_resolves_to_null(self, visit: Visit) -> None:
        visit.show()
        assert visit.page.evaluate("Ratchet.rate('no such token', {thumb: 'up'})") is None
        visit.may_complain = True

    def test_events_on_the_answer_tell_what_was_sent(self, visit: Visit) -> None:
        name = visit.show()
        visit.page.evaluate(
            "document.querySelector('main').addEventListener('ratchet:sent', (event) =>"
            " (window.heard = [event.target.dataset.ratchetId, event.detail.trace_id]))"
        )
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        text_of_status(visit, "Thank you")
        assert visit.page.evaluate("heard") == [name, name]

    def test_attach_makes_an_answer_of_any_element(self, visit: Visit) -> None:
        visit.open("<p id=reply>Hello.</p>")
        _, name = visit.answer()
        given = {"token": visit.service.token(name), "id": name, "widgets": "stars"}
        visit.page.evaluate("given => void Ratchet.attach(document.querySelector('#reply'), given)", given)
        visit.page.get_by_role("radio", name="5 of 5 stars").click()
        visit.wait_for(name, lambda feedback: feedback["stars"] == 5)
        assert visit.page.get_by_role("button").count() == 0

    def test_attach_reaches_into_the_pages_own_shadow_roots(self, visit: Visit) -> None:
        visit.open("<section></section>")
        _, name = visit.answer()
        visit.page.evaluate(
            """(token) => {
              const reply = document.createElement("p");
              reply.textContent = "Inside.";
              document.querySelector("section").attachShadow({ mode: "open" }).append(reply);
              Ratchet.attach(reply, { token });
            }""",
            visit.service.token(name),
        )
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        text_of_status(visit, "Thank you")
        visit.page.wait_for_timeout(200)
        visit.leave()
        assert visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")
        assert visit.wait_for(name, lambda feedback: feedback["signals"].get("dwell_ms"))


class TestAnswersThatComeLater:
    ADD = """([token, id, tag]) => {
      const el = document.createElement(tag);
      el.dataset.ratchetToken = token;
      el.dataset.ratchetId = id;
      el.textContent = "Later.";
      document.querySelector("main").append(el);
    }"""

    def test_an_inserted_answer_gets_a_toolbar(self, visit: Visit) -> None:
        visit.open("")
        _, name = visit.answer()
        visit.page.evaluate(self.ADD, [visit.service.token(name), name, "p"])
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")

    def test_an_element_that_can_have_no_shadow_gets_one_too(self, visit: Visit) -> None:
        visit.open("")
        _, name = visit.answer()
        visit.page.evaluate(self.ADD, [visit.service.token(name), name, "pre"])
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")

    def test_the_toolbar_stays_while_the_page_streams_the_text(self, visit: Visit) -> None:
        visit.show("")
        visit.page.evaluate("document.querySelector('[data-ratchet-id]').textContent = 'All of it.'")
        assert visit.page.get_by_text("All of it.").is_visible()
        visit.page.get_by_role("button", name="Correct").click()
        assert visit.page.get_by_role("textbox").input_value() == "All of it."

    def test_an_element_that_is_used_again_for_another_answer_starts_afresh(self, visit: Visit) -> None:
        first = visit.show()
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        text_of_status(visit, "Thank you")
        _, second = visit.answer()
        visit.page.evaluate(
            "([token, id]) => { const el = document.querySelector('[data-ratchet-id]');"
            " el.dataset.ratchetId = id; el.dataset.ratchetToken = token }",
            [visit.service.token(second), second],
        )
        assert visit.page.get_by_role("button", pressed=True).count() == 0
        visit.page.get_by_role("button", name="Not helpful").click()
        visit.wait_for(second, lambda feedback: feedback["thumb"] == "down")
        assert [feedback["thumb"] for feedback in visit.received(first) if feedback["thumb"]] == ["up"]

    def test_an_answer_gets_its_toolbar_once_its_token_is_known(self, visit: Visit) -> None:
        visit.open("<div data-ratchet-token=''>Streaming</div>")
        assert visit.page.get_by_role("button").count() == 0
        _, name = visit.answer()
        visit.page.evaluate(
            "token => (document.querySelector('[data-ratchet-token]').dataset.ratchetToken = token)",
            visit.service.token(name),
        )
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")
