"""Draws the learning curve: an HTML page with an inline SVG, and a PNG where matplotlib is installed."""

from __future__ import annotations

import html
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

Scale = Callable[[float], float]

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 40, 20, 46
COLOURS = {"heldout": "#1b6ca8", "prequential": "#c26a00", "base": "#777777", "ceiling": "#3c8c40"}
NAMES = {
    "heldout": "held-out accuracy of the release in force",
    "prequential": "accuracy along the stream",
    "base": "frozen base",
    "ceiling": "ceiling: every row taught",
}


def write_curve(result: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``curve.html``, and ``curve.png`` if the ``plot`` extra is installed; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "curve.html"
    page.write_text(_page(result), encoding="utf-8")
    if importlib.util.find_spec("matplotlib") is None:
        return [page]
    picture = folder / "curve.png"
    _draw_png(result, picture)
    return [page, picture]


def title(result: dict[str, Any]) -> str:
    """One line that says what was gained."""
    return (
        f"{result['base']['accuracy']:.3f} to {result['final']['accuracy']:.3f} on {result['heldout_rows']:,} held-out"
        f" rows, with {result['corrections']:,} corrections in {result['rows']:,} requests"
    )


def _draw_png(result: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.6, 4.2), dpi=120)
    seen = [point["seen"] for point in result["curve"]]
    for name in ("heldout", "prequential"):
        axes.plot(seen, [point[name] for point in result["curve"]], color=COLOURS[name], label=NAMES[name])
    for name in ("base", "ceiling"):
        axes.axhline(result[name]["accuracy"], color=COLOURS[name], linestyle="--", linewidth=1, label=NAMES[name])
    for point in _releases(result):
        axes.plot(point["seen"], point["heldout"], marker="^", color=COLOURS["heldout"], markersize=5)
    axes.set_xlabel("requests seen (a triangle marks a release)")
    axes.set_ylabel("hit@1" if result["kind"] == "answer" else "accuracy")
    axes.set_title(title(result), fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _releases(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The points at which a release went live."""
    curve = result["curve"]
    return [now for before, now in zip([{"releases": 0}, *curve], curve, strict=False)
            if now["releases"] > before["releases"]]  # fmt: skip


def _page(result: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{release['number']}</td><td>{release['lessons']}</td><td>{html.escape(release['reason'])}</td></tr>"
        for release in result["releases"]
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Backtest</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
svg {{ width: 100%; height: auto; }} text {{ fill: currentColor; font-size: 13px; }}
table {{ border-collapse: collapse; }} td, th {{ text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top;
border-bottom: 1px solid #8884; }}
</style></head><body>
<h1>Would it have helped?</h1><p>{html.escape(title(result))}.</p>
{_svg(result)}
<h2>Releases</h2><table><tr><th>Release</th><th>Lessons</th><th>What the gate found</th></tr>{rows}</table>
</body></html>
"""


def _svg(result: dict[str, Any]) -> str:
    curve = result["curve"]
    values = [point[name] for point in curve for name in ("heldout", "prequential")]
    values += [result["base"]["accuracy"], result["ceiling"]["accuracy"]]
    low, high = float(max(0.0, min(values) - 0.03)), float(min(1.0, max(values) + 0.03))
    most = int(max(point["seen"] for point in curve))

    def x(seen: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seen / most

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [_grid(low, high, x, y, most)]
    for name in ("base", "ceiling"):
        level = y(result[name]["accuracy"])
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}" stroke="{COLOURS[name]}"'
            f' stroke-dasharray="6 4"/>'
        )
    for name in ("prequential", "heldout"):
        points = " ".join(f"{x(point['seen']):.1f},{y(point[name]):.1f}" for point in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
    for point in _releases(result):
        parts.append(
            f'<circle cx="{x(point["seen"]):.1f}" cy="{y(point["heldout"]):.1f}" r="4" fill="{COLOURS["heldout"]}"/>'
        )
    parts.append(_legend())
    label = html.escape(title(result))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 84}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _grid(low: float, high: float, x: Scale, y: Scale, most: int) -> str:
    lines = []
    for step in range(6):
        value = low + (high - low) * step / 5
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#8884"/>'
            f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        )
        seen = round(most * step / 5)
        lines.append(f'<text x="{x(seen):.1f}" y="{HEIGHT - 22}" text-anchor="middle">{seen:,}</text>')
    return "".join(lines)


def _legend() -> str:
    rows = []
    for place, name in enumerate(("heldout", "prequential", "base", "ceiling")):
        left, top = LEFT + (place % 2) * 440, HEIGHT + 14 + (place // 2) * 26
        dashes = ' stroke-dasharray="6 4"' if name in ("base", "ceiling") else ""
        words = NAMES[name] + (" (dots: releases)" if name == "heldout" else "")
        rows.append(
            f'<line x1="{left}" x2="{left + 30}" y1="{top}" y2="{top}" stroke="{COLOURS[name]}" stroke-width="2"'
            f'{dashes}/><text x="{left + 38}" y="{top + 4}">{words}</text>'
        )
    return "".join(rows)
