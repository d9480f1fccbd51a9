"""The loop on real histories, through the command line: what it gains with a small share of reviews."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ratchet.providers.sentence_encoder import can_run, packaged_weights
from tests.command import ratchet
from tests.conftest import SHARED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared_data,
    pytest.mark.embedder,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}"),
    pytest.mark.skipif(
        not can_run() or packaged_weights() is None, reason="the sentence encoder or its weights are not installed"
    ),
]


def backtest(folder: Path, stream: str, *options: str) -> dict[str, Any]:
    """The result of one backtest by the command line, with the sentence encoder."""
    out = folder / "result.json"
    done = ratchet(
        "backtest", SHARED / stream, *options, "--json", out, "--out", folder / "curve", cwd=folder, embedder="auto"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    assert {release["decision"] for release in result["releases"]} <= {"pass"}
    return result


def test_eight_hundred_corrections_lift_banking77_by_a_quarter(tmp_path: Path) -> None:
    result = backtest(
        tmp_path, "banking77/data.jsonl.gz", "--kind", "classify", "--feedback-rate", "0.3", "--order", "shuffle"
    )
    assert (result["rows"], result["heldout_rows"]) == (10_003, 3_080)
    assert 0.57 <= result["base"]["accuracy"] <= 0.67
    assert result["final"]["accuracy"] >= 0.86
    assert result["final"]["accuracy"] <= result["ceiling"]["accuracy"] + 0.02
    assert 0 < result["corrections"] <= 800
    assert result["releases"]
    assert result["repeat_mistakes"]["after"] < result["repeat_mistakes"]["before"]
    assert result["seconds"] < 600
    assert result["peak_memory_mb"] < 2000


def test_a_moderation_step_gets_better_in_the_order_of_time(tmp_path: Path) -> None:
    result = backtest(tmp_path, "youtube_spam/data.jsonl.gz", "--order", "time")
    assert result["rows"] + result["heldout_rows"] == 1_952
    assert result["releases"]
    assert result["final"]["accuracy"] > result["base"]["accuracy"]


def test_answers_from_a_corpus_do_not_get_worse(tmp_path: Path) -> None:
    corpus = str(SHARED / "feedbackqa" / "corpus.jsonl.gz")
    result = backtest(tmp_path, "feedbackqa/queries.jsonl.gz", "--kind", "answer", "--corpus", corpus)
    assert result["heldout_rows"] == 1_809
    assert result["base"]["accuracy"] >= 0.39
    assert result["final"]["accuracy"] >= result["base"]["accuracy"] - 0.01
    assert result["base"]["accuracy"] <= result["base"]["mrr@10"] <= result["base"]["hit@5"]
    assert 0 < result["coverage"] < 1
