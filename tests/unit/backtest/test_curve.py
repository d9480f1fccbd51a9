"""The learning curve as a page and as a picture."""

from __future__ import annotations

import importlib.util
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ratchet.backtest.curve import title, write_curve

VOID = {"meta", "br", "link", "img"}
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


def point(seen: int, releases: int, heldout: float) -> dict[str, Any]:
    return {"seen": seen, "corrections": seen // 10, "releases": releases, "prequential": 0.4, "heldout": heldout}


def result(*points: dict[str, Any], reason: str = "better") -> dict[str, Any]:
    return {
        "kind": "classify",
        "rows": 2000,
        "heldout_rows": 1234,
        "base": {"accuracy": 0.5},
        "final": {"accuracy": 0.75},
        "ceiling": {"accuracy": 0.9},
        "corrections": 60,
        "curve": list(points or (point(100, 0, 0.5), point(200, 1, 0.6), point(300, 1, 0.6), point(400, 2, 0.75))),
        "releases": [{"number": 1, "lessons": 20, "reason": reason}, {"number": 2, "lessons": 40, "reason": "more"}],
    }


class Nesting(HTMLParser):
    """Fails at the first tag that closes another one than the last opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.backtest.curve.importlib.util.find_spec", lambda name: None)


@pytest.mark.usefixtures("without_matplotlib")
class TestThePage:
    def page(self, tmp_path: Path, found: dict[str, Any]) -> str:
        (path,) = write_curve(found, tmp_path / "new" / "folder")
        assert path == tmp_path / "new" / "folder" / "curve.html"
        return path.read_text(encoding="utf-8")

    def picture(self, page: str) -> ElementTree.Element:
        return ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + len("</svg>")])

    def test_is_well_formed_and_loads_nothing_from_elsewhere(self, tmp_path: Path) -> None:
        page = self.page(tmp_path, result())
        nesting = Nesting()
        nesting.feed(page)
        nesting.close()
        assert nesting.open == []
        assert nesting.seen.count("tr") == 3
        assert "http" not in page
        assert "<script" not in page

    def test_shows_both_curves_both_levels_and_a_dot_for_each_release(self, tmp_path: Path) -> None:
        picture = self.picture(self.page(tmp_path, result()))
        curves = picture.findall("polyline")
        assert [len(curve.attrib["points"].split()) for curve in curves] == [4, 4]
        dots = picture.findall("circle")
        assert [dot.attrib["cx"] for dot in dots] == [
            curves[1].attrib["points"].split()[place].split(",")[0] for place in (1, 3)
        ]
        assert len([line for line in picture.findall("line") if "stroke-dasharray" in line.attrib]) == 4

    def test_draws_inside_its_frame(self, tmp_path: Path) -> None:
        picture = self.picture(self.page(tmp_path, result(point(1, 0, 0.0), point(2, 1, 1.0))))
        _, _, width, height = map(float, picture.attrib["viewBox"].split())
        pairs = [pair.split(",") for curve in picture.findall("polyline") for pair in curve.attrib["points"].split()]
        assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in pairs)

    def test_does_not_trust_what_a_gate_wrote(self, tmp_path: Path) -> None:
        page = self.page(tmp_path, result(reason="<script>alert(1)</script> & more"))
        assert "<script>" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page

    def test_of_one_point_that_is_level_with_the_base_can_be_drawn(self, tmp_path: Path) -> None:
        flat = result(point(5, 0, 1.0)) | {"base": {"accuracy": 1.0}, "ceiling": {"accuracy": 1.0}, "releases": []}
        assert "nan" not in self.page(tmp_path, flat)

    def test_says_what_was_gained(self, tmp_path: Path) -> None:
        line = title(result())
        assert line == "0.500 to 0.750 on 1,234 held-out rows, with 60 corrections in 2,000 requests"
        assert line in self.page(tmp_path, result())


@pytest.mark.skipif(not HAS_MATPLOTLIB, reason="matplotlib, of the `plot` extra, is not installed")
@pytest.mark.parametrize("kind", ["classify", "answer"])
def test_the_picture_is_a_png_beside_the_page(tmp_path: Path, kind: str) -> None:
    page, picture = write_curve(result() | {"kind": kind}, tmp_path)
    assert page.name == "curve.html"
    assert picture == tmp_path / "curve.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.stat().st_size > 5_000
