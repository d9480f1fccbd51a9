"""Records in few words: everything a test does not care about is filled in."""

from __future__ import annotations

from typing import Any

from ratchet.records.app import App
from ratchet.records.assessment import Assessment, Evidence
from ratchet.records.candidate import Candidate
from ratchet.records.case import Case
from ratchet.records.feedback import Feedback
from ratchet.records.gate import Check, Flip, GateReport
from ratchet.records.lesson import Lesson
from ratchet.records.passage import Passage
from ratchet.records.release import Manifest, Release
from ratchet.records.suite import SuiteCase
from ratchet.records.trace import Context, Influence, Trace
from ratchet.records.verdict import Verdict

APP = "triage"


def an_app(name: str = APP, **fields: Any) -> App:
    given: dict[str, Any] = {"kind": "classify", "base": "b1", "embedder": "e1", "labels": {"a": "alpha", "b": "beta"}}
    return App(name=name, **{**given, **fields})


def a_trace(key: str = "t1", **fields: Any) -> Trace:
    return Trace(**{"id": key, "app": APP, "at": 1.0, "input": f"question {key}", "output": "answer", **fields})


def a_full_trace(key: str = "full") -> Trace:
    """Every field has a value that is not its default."""
    return a_trace(
        key,
        at=1_790_000_000.123456,
        input="Wo ist mein Paket? 📦 'quoted' \\ \"double\"",
        output="",
        context=Context(
            user="u1",
            role="agent",
            task_type="billing",
            session="s1",
            environment="prod",
            segment="gold",
            tags=("x", "y"),
        ),
        release=7,
        source="learned",
        confidence=0.1,
        passage_id="p1",
        influences=(Influence("lesson", "l1", 0.25), Influence("passage", "p1", 1 / 3)),
        latency_ms=12.5,
        cost=0.001,
    )


def feedback(key: str = "f1", trace_id: str = "t1", **fields: Any) -> Feedback:
    return Feedback(**{"id": key, "app": APP, "trace_id": trace_id, "at": 2.0, "user": "u1", **fields})


def an_assessment(trace_id: str = "t1", **fields: Any) -> Assessment:
    given = {"trace_id": trace_id, "app": APP, "at": 3.0, "p_bad": 0.9, "confidence": 0.8}
    return Assessment(**{**given, "failure_modes": ("wrong",), "evidence": (Evidence("thumb", 1.5),), **fields})


def a_case(key: str = "c1", trace_id: str = "t1", **fields: Any) -> Case:
    return Case(**{"id": key, "app": APP, "trace_id": trace_id, "at": 4.0, "reasons": ("thumb down",), **fields})


def a_verdict(key: str = "v1", case_id: str = "c1", **fields: Any) -> Verdict:
    return Verdict(**{"id": key, "app": APP, "case_id": case_id, "at": 5.0, "reviewer": "ana", "erred": True, **fields})


def a_lesson(number: int = 1, **fields: Any) -> Lesson:
    """Lesson l<number>, of the verdict v<number> on the case c<number>."""
    key = f"{number}"
    given = {"id": f"l{key}", "app": APP, "case_id": f"c{key}", "verdict_id": f"v{key}", "at": 6.0 + number}
    text = {"question": f"question {key}", "answer": "a", "group": f"g{key}", "split": "teach", "reviewer": "ana"}
    return Lesson(**{**given, **text, **fields})


def a_passage(key: str, text: str = "words", **fields: Any) -> Passage:
    return Passage(**{"id": key, "app": APP, "title": key.title(), "text": text, **fields})


def a_suite_case(key: str, **fields: Any) -> SuiteCase:
    given = {"id": key, "app": APP, "suite": "anchor", "question": f"question {key}", "answer": "a", "at": 7.0}
    return SuiteCase(**{**given, "group": f"g{key}", **fields})


def a_candidate(key: str = "k1", bank_version: int = 1, **fields: Any) -> Candidate:
    given = {"id": key, "app": APP, "at": 8.0, "parent": 0, "bank_version": bank_version, "layers": ("examples",)}
    return Candidate(**{**given, "added": ("l1", "l2"), **fields})


def a_report(key: str = "r1", candidate_id: str = "k1", **fields: Any) -> GateReport:
    check = Check(name="anchor", outcome="passed", cases=9, value=0.5, limit=0.01, message="fine", p_value=0.03)
    flip = Flip("s1", "anchor", "a", "b", True, False, ("l1",))
    given = {"id": key, "app": APP, "candidate_id": candidate_id, "gate": "evaluate", "at": 9.0, "decision": "pass"}
    return GateReport(**{**given, "reason": "all", "checks": (check,), "flips": (flip,), "suites": (("anchor", "h"),),
                         **fields})  # fmt: skip


def a_release(number: int = 1, **fields: Any) -> Release:
    manifest = Manifest({"app": APP, "number": number, "parent": number - 1, "examples": {"lessons": ["l1"]}})
    given = {"app": APP, "number": number, "id": manifest.id, "manifest": manifest, "candidate_id": "k1", "at": 10.0}
    return Release(**{**given, "bank_version": number, "lessons": 2, "status": "live", **fields})
