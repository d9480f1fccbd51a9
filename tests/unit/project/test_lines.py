"""The line of every table, key and item of a TOML text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.project.lines import Lines

TEXT = """\
# a comment with [apps.support] in it
[service]   # port = 1
port = 8400
origins = [
  "https://a.example", # ] not the end
  "https://b.example",
]

[apps . "sup port"]
prompt = '''
[not.a.header]
kind = "not a key"
'''
labels = { spam = "buy # now", "fine, really" = "}" }
plan.flip_reviews = 3
rules = [[1, 2], { deep = [
  3,
  { deeper = "\\"]" } ] }]

[apps.late.plan]
[apps.late]
kind = "answer"
"""
EXPECTED = {
    ("service",): 2,
    ("service", "port"): 3,
    ("service", "origins"): 4,
    ("service", "origins", "0"): 5,
    ("service", "origins", "1"): 6,
    ("apps",): 9,
    ("apps", "sup port"): 9,
    ("apps", "sup port", "prompt"): 10,
    ("apps", "sup port", "labels"): 14,
    ("apps", "sup port", "labels", "spam"): 14,
    ("apps", "sup port", "labels", "fine, really"): 14,
    ("apps", "sup port", "plan"): 15,
    ("apps", "sup port", "plan", "flip_reviews"): 15,
    ("apps", "sup port", "rules"): 16,
    ("apps", "sup port", "rules", "0", "1"): 16,
    ("apps", "sup port", "rules", "1", "deep", "0"): 17,
    ("apps", "sup port", "rules", "1", "deep", "1", "deeper"): 18,
    ("apps", "late", "plan"): 20,
    ("apps", "late"): 21,
    ("apps", "late", "kind"): 22,
}


@pytest.mark.parametrize("path", EXPECTED, ids=".".join)
def test_every_key_is_found_on_its_line(path: tuple[str, ...]) -> None:
    tomllib.loads(TEXT)
    assert Lines(TEXT).of(*path) == EXPECTED[path]


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    lines = Lines(TEXT)
    assert lines.of("apps", "sup port", "kind") == 9
    assert lines.of("apps", "sup port", "labels", "other") == 14
    assert lines.of("store", "file") == 1
    assert lines.of() == 1


def test_line_endings_of_windows_count_once() -> None:
    assert Lines(TEXT.replace("\n", "\r\n")).of("apps", "late", "kind") == 22


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("", ("a",), 1),
        ("# only a comment", ("a",), 1),
        ('\na = ""\nb = """"""\nc = 1', ("c",), 4),
        ('a = """x\n""""\nb = 1', ("b",), 3),
        ("a = ''''x\n'''\nb = 1", ("b",), 3),
        ('"a.b" = 1\n\n"c\\u0064" = 2', ("cd",), 3),
        ("a = []\nb = {}\nc = [ ]\nd = { }\ne = 1979-05-27 07:32:00\nf = 1", ("f",), 6),
        ("[[a]]\nx = 1\n[[a]]\nx = 2", ("a", "x"), 2),
        ("a = [[],[[]]]\nb = 1", ("b",), 2),
        ("a.b = 1\na.c = 2\n[d.e]\nf = 1", ("d", "e", "f"), 4),
    ],
)
def test_odd_ways_to_write_toml(text: str, path: tuple[str, ...], line: int) -> None:
    tomllib.loads(text)
    assert Lines(text).of(*path) == line


WORDS = st.sampled_from(["plain", "a]b", "a}b", "# no", 'say \\"x\\"', "x = 1", "[t]", "a, b"])
VALUES = st.recursive(
    WORDS.map(lambda words: f'"{words}"')
    | WORDS.map(lambda words: f'"""\n{words}\n"""')
    | st.sampled_from(["1", "-0.5", "true", "'#'", "'''\n[x]\n'''", "1979-05-27"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[ # [\n{', '.join(items)}\n]")
        | st.lists(
            st.tuples(st.sampled_from(["k", '"k k"', "'k.k'"]), inner), max_size=2, unique_by=lambda p: p[0]
        ).map(lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs) + "}")
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_every_key_that_the_parser_finds_is_on_a_line_that_names_it(values: list[str]) -> None:
    text = "".join(f"[table{number}] # x\nkey{number} = {value}\n" for number, value in enumerate(values))
    lines, written = Lines(text), text.split("\n")
    for path in _paths(tomllib.loads(text)):
        assert path[-1] in written[lines.of(*path) - 1], path


def _paths(values: dict[str, Any], *path: str) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*path, key)
        for number, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, dict):
                yield from _paths(item, *path, key, str(number))
        if isinstance(value, dict):
            yield from _paths(value, *path, key)
