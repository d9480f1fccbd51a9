"""How the snippet behaves on somebody else's page: size, policy, styles, accessibility, language."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ratchet.web
from tests.browser.conftest import Visit

SNIPPET = Path(ratchet.web.__file__).parent / "static" / "ratchet.js"
ALL = 'data-ratchet-widgets="thumbs stars edit comment"'
MOST_BYTES = 6 * 1024
LEAST_CONTRAST = 4.5
LEAST_TARGET_PX = 24

# Every element of the toolbar, with what an assistive technology would need to know of it.
PARTS = """() => {
  const root = document.querySelector("[data-ratchet-id]").shadowRoot;
  return [...root.querySelectorAll("button, input, textarea, [role]")].map((el) => ({
    tag: el.localName,
    type: el.type ?? "",
    role: el.getAttribute("role") ?? "",
    name: el.getAttribute("aria-label") ?? (el.labels?.[0] ?? el).textContent,
    width: el.getBoundingClientRect().width,
    height: el.getBoundingClientRect().height,
    shown: el.checkVisibility(),
  }));
}"""
COLOURS = """() => {
  const root = document.querySelector("[data-ratchet-id]").shadowRoot;
  const parts = root.querySelectorAll("button, input, textarea, label, [role=status]");
  return [...parts].map((el) => [getComputedStyle(el).color, getComputedStyle(document.body).backgroundColor]);
}"""


ADD_SCRIPT = """(url) => {
  const trusted = trustedTypes.createPolicy("late", { createScriptURL: (given) => given });
  const script = document.createElement("script");
  script.src = trusted.createScriptURL(url);
  document.head.append(script);
}"""


def contrast(one: str, other: str) -> float:
    """The contrast of two ``rgb()`` colours, by the formula of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def open_box(visit: Visit, name: str = "Correct") -> None:
    visit.page.get_by_role("button", name=name).click()


def test_it_is_smaller_than_six_kilobytes_on_the_wire() -> None:
    size = len(gzip.compress(SNIPPET.read_bytes(), 6))
    print(f"{size} bytes gzipped, {SNIPPET.stat().st_size} bytes as it is")
    assert size < MOST_BYTES


def test_it_needs_nothing_that_a_strict_policy_forbids() -> None:
    source = SNIPPET.read_text(encoding="utf-8")
    for forbidden in ("innerHTML", "eval(", "Function(", ".style.", "<style", "document.write", "import("):
        assert forbidden not in source


class TestPolicy:
    def test_a_strict_site_is_not_violated_by_any_part_of_the_toolbar(self, visit: Visit) -> None:
        visit.show(attributes=ALL)
        open_box(visit)
        visit.page.get_by_role("radio", name="4 of 5 stars").click()
        visit.page.get_by_role("button", name="Not helpful").click()
        visit.page.get_by_role("status").filter(has_text="Thank you").wait_for()
        assert visit.complaints == []

    def test_a_violation_would_be_noticed(self, visit: Visit) -> None:
        visit.show()
        visit.page.evaluate("document.querySelector('main').setAttribute('style', 'color: red')")
        visit.page.wait_for_timeout(100)
        assert any("style-src" in complaint for complaint in visit.complaints)
        visit.may_complain = True

    def test_the_toolbar_is_styled_in_spite_of_it(self, visit: Visit) -> None:
        visit.show()
        height = visit.page.get_by_role("button", name="Helpful", exact=True).bounding_box()["height"]
        assert height == 32

    def test_the_pages_styles_and_the_toolbars_leave_each_other_alone(self, visit: Visit) -> None:
        visit.site.pages["/loud.css"] = "button { font-size: 60px; background: red } form { border: 9px solid }"
        visit.show("<button>Page</button>")
        before = visit.page.get_by_role("button", name="Page").evaluate("each => getComputedStyle(each).borderRadius")
        visit.open("<link rel=stylesheet href=/loud.css><button>Page</button>" + visit.answer()[0])
        button = visit.page.get_by_role("button", name="Correct")
        assert button.evaluate("each => getComputedStyle(each).fontSize") == "14px"
        assert before == visit.page.get_by_role("button", name="Page").evaluate(
            "each => getComputedStyle(each).borderRadius"
        )

    def test_loading_it_twice_makes_one_toolbar(self, visit: Visit) -> None:
        markup, _ = visit.answer()
        visit.open(markup + f'<script src="{visit.service.url}/ratchet.js"></script>')
        assert visit.page.get_by_role("group", name="Rate this answer").count() == 1

    def test_it_can_be_loaded_long_after_the_page(self, visit: Visit) -> None:
        markup, name = visit.answer()
        visit.site.pages["/late"] = f"<!doctype html><title>Late</title>{markup}"
        visit.page.goto(visit.site.url + "/late")
        visit.page.evaluate(ADD_SCRIPT, visit.service.url + "/ratchet.js")
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.wait_for(name, lambda feedback: feedback["thumb"] == "up")

    def test_the_service_may_have_another_address_than_the_script(self, visit: Visit) -> None:
        visit.show(script='data-url="https://feedback.example/ratchet/"')
        visit.page.route("https://feedback.example/**", lambda route: route.fulfill(status=201, body="{}"))
        visit.page.evaluate("addEventListener('securitypolicyviolation', (event) => (window.to = event.blockedURI))")
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        visit.page.wait_for_function("window.to")
        assert visit.page.evaluate("window.to") == "https://feedback.example/ratchet/v1/feedback"
        visit.may_complain = True  # The site's policy rightly forbids that address.


class TestAccessibility:
    def test_everything_has_a_role_and_a_name(self, visit: Visit) -> None:
        visit.show(attributes=ALL)
        open_box(visit)
        assert visit.page.get_by_role("group", name="Rate this answer").aria_snapshot().split("\n") == [
            '- group "Rate this answer":',
            '  - button "Helpful"',
            '  - button "Not helpful"',
            '  - radiogroup "Stars":',
            *(f'    - radio "{n} of 5 stars": ☆' for n in range(1, 6)),
            '  - button "Correct" [expanded]',
            '  - button "Comment"',
            "  - status",
            "  - text: What should the answer say?",
            '  - textbox "What should the answer say?": Parcels take 2 to 4 working days.',
            '  - button "Send"',
            '  - button "Cancel"',
        ]

    def test_one_box_is_open_at_a_time_and_the_other_keeps_its_words(self, visit: Visit) -> None:
        visit.show()
        open_box(visit, "Comment")
        visit.page.keyboard.type("Half a thou")
        open_box(visit, "Correct")
        assert visit.page.get_by_role("textbox").count() == 1
        assert visit.page.get_by_role("button", name="Comment", expanded=False).count() == 1
        open_box(visit, "Comment")
        box = visit.page.get_by_role("textbox", name="What should we know about this answer?")
        assert box.input_value() == "Half a thou"

    def test_every_control_is_native_named_and_large_enough_to_hit(self, visit: Visit) -> None:
        visit.show(attributes=ALL)
        open_box(visit)
        parts: list[dict[str, Any]] = visit.page.evaluate(PARTS)
        assert not [part for part in parts if part["role"] != "status" and not part["name"].strip()]
        shown = [part for part in parts if part["shown"] and part["tag"] in ("button", "input", "textarea")]
        assert len(shown) == 2 + 5 + 2 + 3
        assert not [part for part in shown if min(part["width"], part["height"]) < LEAST_TARGET_PX]

    def test_the_keyboard_reaches_everything_in_reading_order_and_shows_where_it_is(self, visit: Visit) -> None:
        visit.show(attributes=ALL)
        reached = []
        for _ in range(5):
            visit.page.keyboard.press("Tab")
            reached.append(
                visit.page.evaluate(
                    "() => { const el = document.activeElement.shadowRoot.activeElement;"
                    " const { outlineStyle, outlineWidth } = getComputedStyle(el);"
                    " return [el.ariaLabel ?? el.textContent, outlineStyle, outlineWidth] }"
                )
            )
        assert [name for name, *_ in reached] == ["Helpful", "Not helpful", "1 of 5 stars", "Correct", "Comment"]
        assert {tuple(outline) for _, *outline in reached} == {("solid", "2px")}

    def test_the_live_region_is_there_before_it_speaks_and_is_polite(self, visit: Visit) -> None:
        visit.show()
        status = visit.page.get_by_role("status")
        assert status.inner_text() == ""
        assert status.get_attribute("aria-live") in (None, "polite")
        visit.page.get_by_role("button", name="Helpful", exact=True).click()
        status.filter(has_text="Thank you").wait_for()

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_the_contrast_is_sufficient(self, new_visit: Callable[..., Visit], scheme: str) -> None:
        visit = new_visit(color_scheme=scheme)
        visit.show(attributes=ALL)
        open_box(visit)
        measured = [contrast(*pair) for pair in visit.page.evaluate(COLOURS)]
        assert len(measured) == 2 + 5 + 2 + 1 + 2 * 4
        assert min(measured) >= LEAST_CONTRAST

    def test_a_chosen_thumb_differs_by_more_than_colour(self, visit: Visit) -> None:
        visit.show()
        up = visit.page.get_by_role("button", name="Helpful", exact=True)
        filled = "each => getComputedStyle(each.querySelector('svg')).fill"
        assert up.evaluate(filled) == "none"
        up.click()
        assert up.evaluate(filled) != "none"

    def test_nothing_moves(self, visit: Visit) -> None:
        visit.show(attributes=ALL)
        visit.page.get_by_role("button", name="Helpful", exact=True).hover()
        assert visit.page.evaluate("document.getAnimations({subtree: true}).length") == 0
        source = SNIPPET.read_text(encoding="utf-8")
        assert "transition" not in source
        assert "animation" not in source


class TestLanguage:
    def test_labels_come_from_attributes(self, visit: Visit) -> None:
        attributes = 'data-label-up="Hilfreich" data-label-edit-box="Richtig wäre" data-label-star="{n} von 5"'
        visit.show(attributes=ALL, script=attributes)
        visit.page.get_by_role("button", name="Hilfreich").wait_for()
        visit.page.get_by_role("radio", name="3 von 5").wait_for()
        visit.page.get_by_role("button", name="Correct").click()
        visit.page.get_by_role("textbox", name="Richtig wäre").wait_for()

    def test_labels_come_from_a_script_of_the_page(self, visit: Visit) -> None:
        visit.page.add_init_script("document.addEventListener('DOMContentLoaded', () => Ratchet.labels.up = 'Utile')")
        visit.show()
        visit.page.get_by_role("button", name="Utile").wait_for()
