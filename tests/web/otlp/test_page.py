"""The page about OpenTelemetry says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ratchet.web.otlp import inflate, received
from ratchet.wire.limits import LONGEST_TEXT

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "otlp.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "src" / "ratchet" / "web" / "otlp").rglob("*.py"))
ATTRIBUTE = re.compile(
    r"(gen_ai|llm|openinference|langfuse|traceloop|ratchet|input|output|user|enduser|session|deployment|tag|annotator)"
    r"(\.[a-z_]+)+"
)


def attributes_in_the_code() -> set[str]:
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ATTRIBUTE.fullmatch(node.value):
                found.add(node.value)
    return found


def test_every_attribute_that_is_read_is_on_the_page() -> None:
    names = attributes_in_the_code()
    assert len(names) > 50
    assert sorted(name for name in names if f"`{name}`" not in PAGE) == []


def test_the_limits_are_on_the_page() -> None:
    assert f"{inflate.LARGEST_BYTES // 1024**2} MiB unpacked" in PAGE
    assert f"at most the last {received.MOST_TURNS}." in PAGE
    assert f"{LONGEST_TEXT:,} characters is cut" in PAGE
