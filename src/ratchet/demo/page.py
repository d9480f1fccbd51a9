"""The demo's result as one small HTML page."""

from __future__ import annotations

from pathlib import Path

ROWS = (
    ("Questions customers asked", "asked_before", "asked_after", "{:.0%}"),
    ("Other wordings, never asked", "new_wordings_before", "new_wordings_after", "{:.0%}"),
    ("Answers that state an old rule", "stale_before", "stale_after", "{:.0f}"),
    ("Answers that state the new rule", "new_fact_before", "new_fact_after", "{:.0f}"),
    ("Comments sorted right", "moderation_before", "moderation_after", "{:.0%}"),
)


def write_page(folder: Path, figures: dict[str, float]) -> Path:
    """Write ``demo.html`` into ``folder``; its path."""
    rows = "".join(
        f"<tr><th>{name}</th><td>{form.format(figures[before])}</td><td>{form.format(figures[after])}</td></tr>"
        for name, before, after, form in ROWS
    )
    page = folder / "demo.html"
    page.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Ratchet demo</title><style>:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .5rem; border-bottom: 1px solid #8884; }}
td {{ font-variant-numeric: tabular-nums; }}</style></head><body>
<h1>What the loop did</h1>
<p>Measured in this run, on an invented shop.</p>
<table><tr><th></th><th>before</th><th>after</th></tr>{rows}</table>
<p>{figures["fixed"]:.0f} of {figures["wrong_before"]:.0f} mistakes are gone. The careless change was
{"released" if figures["bad_candidate_released"] else "stopped at the gate"}. After the rollback and back, the answers
were {"exactly the same" if figures["same_after_rollback"] else "not the same"}.
{figures["audit_intact"]:.0f} of {figures["audit_entries"]:.0f} audit entries are intact.</p>
</body></html>
""",
        encoding="utf-8",
    )
    return page
