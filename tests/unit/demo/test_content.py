import ast
import json
import re
from collections import Counter, defaultdict
from importlib.resources import files
from itertools import combinations
from statistics import mean
from typing import Any

import pytest

CONTENT = files("ratchet.demo") / "content"
JSON_LINES = ("knowledge", "questions", "policy_change", "moderation")
Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    lines = (CONTENT / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def folded(text: str) -> str:
    return " ".join(text.casefold().split())


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def overlap(one: str, other: str) -> float:
    return len(words(one) & words(other)) / len(words(one) | words(other))


def wordings() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for question in rows("questions"):
        found[question["passage_id"]].append(question)
    return found


def passages() -> dict[str, Row]:
    return {row["passage_id"]: row for row in rows("knowledge")}


def test_the_knowledge_base_has_sixty_passages_with_ids_of_their_own() -> None:
    knowledge = rows("knowledge")
    assert len(knowledge) == 60
    assert len({row["passage_id"] for row in knowledge}) == 60
    assert len({folded(row["title"]) for row in knowledge}) == 60
    for row in knowledge:
        assert set(row) == {"passage_id", "title", "text"}
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", row["passage_id"])
        assert " > " in row["title"]


def test_every_passage_has_two_to_five_sentences_and_a_number() -> None:
    for row in rows("knowledge"):
        assert 2 <= len(re.findall(r"[.!?](?=\s|$)", row["text"])) <= 5, row["passage_id"]
        assert re.search(r"\d", row["text"]), row["passage_id"]


def test_there_are_three_hundred_questions_numbered_in_order() -> None:
    questions = rows("questions")
    assert [row["id"] for row in questions] == [f"q{number:03d}" for number in range(1, 301)]
    for row in questions:
        assert set(row) == {"id", "text", "passage_id", "topic", "role", "phase"}


def test_every_passage_is_asked_about_in_exactly_five_wordings() -> None:
    asked = wordings()
    assert set(asked) == set(passages())
    assert {len(group) for group in asked.values()} == {5}


def test_each_passage_has_a_plain_wording_and_two_pairs_split_between_the_phases() -> None:
    for passage_id, group in wordings().items():
        assert [row["phase"] for row in group] == [1, 1, 2, 1, 2], passage_id


def test_all_wordings_of_a_passage_share_one_topic() -> None:
    for passage_id, group in wordings().items():
        assert len({row["topic"] for row in group}) == 1, passage_id
    assert len({row["topic"] for row in rows("questions")}) >= 8


def test_questions_come_from_customers_agents_and_businesses() -> None:
    roles = Counter(row["role"] for row in rows("questions"))
    assert set(roles) == {"customer", "agent", "business"}
    assert min(roles.values()) >= 10


def test_the_wordings_of_a_pair_share_more_words_than_wordings_of_different_pairs() -> None:
    pairs: list[float] = []
    strangers: list[float] = []
    for _, first, first_twin, second, second_twin in ([row["text"] for row in group] for group in wordings().values()):
        pairs += [overlap(first, first_twin), overlap(second, second_twin)]
        strangers += [overlap(first, second), overlap(first_twin, second_twin)]
    assert mean(pairs) > 2 * mean(strangers)


def test_most_questions_use_few_of_the_words_of_the_passage_that_answers_them() -> None:
    known = passages()
    indirect = [row for group in wordings().values() for row in group[1:]]
    shares = [
        len(words(row["text"]) & words(known[row["passage_id"]]["text"])) / len(words(row["text"])) for row in indirect
    ]
    assert mean(shares) < 0.5


def test_six_passages_change_in_the_policy_change() -> None:
    changes = rows("policy_change")
    assert len(changes) == 6
    assert len({row["passage_id"] for row in changes}) == 6
    assert {row["passage_id"] for row in changes} <= set(passages())
    for row in changes:
        assert set(row) == {"passage_id", "title", "text", "changed", "old_fact", "new_fact"}


def test_a_changed_passage_states_the_new_fact_and_no_longer_the_old_one() -> None:
    known = passages()
    for row in rows("policy_change"):
        before = known[row["passage_id"]]
        assert row["title"] == before["title"]
        assert row["changed"] == f"{row['old_fact']} -> {row['new_fact']}"
        assert row["old_fact"] in before["text"]
        assert row["old_fact"] not in row["text"]
        assert row["new_fact"] in row["text"]
        assert row["new_fact"] not in before["text"]


def test_there_are_three_hundred_and_twenty_comments_numbered_in_order() -> None:
    comments = rows("moderation")
    assert [row["id"] for row in comments] == [f"m{number:03d}" for number in range(1, 321)]
    for row in comments:
        assert set(row) == {"id", "text", "label", "segment"}


def test_the_comments_have_the_planned_mix_of_labels() -> None:
    mix = Counter(row["label"] for row in rows("moderation"))
    assert mix == {"ok": 150, "spam": 80, "abuse": 50, "safety": 40}


def test_every_segment_holds_a_fair_share_of_comments_and_all_labels() -> None:
    comments = rows("moderation")
    sizes = Counter(row["segment"] for row in comments)
    assert set(sizes) == {"shop", "video", "forum"}
    assert min(sizes.values()) >= 60
    for segment in sizes:
        assert {row["label"] for row in comments if row["segment"] == segment} == {"ok", "spam", "abuse", "safety"}


def test_every_comment_has_five_to_forty_words() -> None:
    for row in rows("moderation"):
        assert 5 <= len(row["text"].split()) <= 40, row["id"]


def test_the_labels_do_not_come_in_blocks() -> None:
    labels = [row["label"] for row in rows("moderation")]
    for start in range(0, 320, 80):
        assert len(set(labels[start : start + 80])) == 4


def test_at_most_one_comment_in_twenty_is_nearly_a_copy_of_another() -> None:
    comments = rows("moderation")
    near: set[str] = set()
    for one, other in combinations(comments, 2):
        if overlap(one["text"], other["text"]) >= 0.6:
            near |= {one["id"], other["id"]}
    assert len(near) <= 0.05 * len(comments)


def test_no_text_occurs_twice_in_any_file() -> None:
    texts = Counter(folded(row["text"]) for name in JSON_LINES for row in rows(name))
    assert [text for text, times in texts.items() if times > 1] == []


def test_each_label_has_a_one_line_description_of_its_own() -> None:
    labels = json.loads((CONTENT / "labels.json").read_text(encoding="utf-8"))
    assert list(labels) == ["ok", "spam", "abuse", "safety"]
    assert len(set(labels.values())) == 4
    for description in labels.values():
        assert "\n" not in description
        assert description.endswith(".")
        assert 20 <= len(description) <= 160


@pytest.mark.parametrize("name", JSON_LINES)
def test_texts_are_trimmed_and_not_empty(name: str) -> None:
    content = (CONTENT / f"{name}.jsonl").read_text(encoding="utf-8")
    assert content.endswith("\n")
    assert "\n\n" not in content
    for row in rows(name):
        for value in row.values():
            assert value
            assert not isinstance(value, str) or value == value.strip()


def test_the_content_package_holds_a_docstring_and_nothing_else() -> None:
    source = (CONTENT / "__init__.py").read_text(encoding="utf-8")
    module = ast.parse(source)
    docstring = ast.get_docstring(module)
    assert len(module.body) == 1
    assert docstring is not None
    assert docstring.endswith(".")
    assert len(docstring) <= 100
    assert "\n" not in docstring
