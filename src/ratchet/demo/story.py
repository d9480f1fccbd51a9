"""The demo's story: two apps that learn, a bad change that is stopped, a rollback."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ratchet.demo.people import Asked, People, is_right
from ratchet.demo.shop import PolicyChange, Shop, open_shop
from ratchet.loop import TurnReport
from ratchet.providers.system import SeededIds
from ratchet.records.audit import GENESIS
from ratchet.records.gate import GateReport
from ratchet.sdk.client import Ratchet
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.review import queue

REVIEWS = 80
SHOWN = 3


@dataclass(slots=True)
class Story:
    """What the demo does, step by step; every figure it prints was measured in this run."""

    folder: Path
    console: Console
    seed: int = 7
    figures: dict[str, float] = field(default_factory=dict)

    def play(self) -> dict[str, float]:
        """Play everything; the figures by name."""
        started = time.monotonic()
        shop = open_shop(self.folder, self.seed)
        with Ratchet(self.folder / "ratchet.db", ids=SeededIds(self.seed)) as loop:
            support = People(loop, loop.offline("support", knowledge=shop.knowledge), "passage_id", self._chance())
            moderation = loop.offline("moderation", kind="classify", labels=shop.labels)
            self._support(loop, support, shop)
            self._moderation(loop, People(loop, moderation, "answer", self._chance()), shop)
            self._audit(loop)
        self.figures["seconds"] = round(time.monotonic() - started, 1)
        return self.figures

    def _support(self, loop: Ratchet, people: People, shop: Shop) -> None:
        self._title(1, "A support bot answers with the best passage. Nothing is learned yet.")
        people.ask(shop.questions)
        before = self._measure(people, shop, "before")
        wrong = [q for q in shop.questions if not is_right(q, people.peek(q.text))]
        for question in wrong[:SHOWN]:
            self._say(f"  [red]wrong[/]  {question.text}  [dim]-> {people.peek(question.text).passage_id}[/]")

        self._title(2, "Customers report mistakes. A reviewer works off the queue and says what would be right.")
        self._learn_from_reviews(loop, people)
        after = self._measure(people, shop, "after")
        self._gains(people, wrong, before, after)

        self._title(3, "A careless temp approves wrong corrections. The gate stops what they would do.")
        self._bad_candidate(loop, people, shop)

        self._title(4, "The policy changes. One report per changed page is enough, whatever the wording.")
        self._policy(loop, people, shop)

        self._title(5, "Something feels wrong: roll back, look, and go forward again.")
        self._rollback(loop, people, shop)

    def _measure(self, people: People, shop: Shop, when: str) -> tuple[float, float]:
        asked, twins = people.score(shop.questions), people.score(shop.twins)
        self.figures[f"asked_{when}"], self.figures[f"new_wordings_{when}"] = asked, twins
        self._say(
            f"  right on the {len(shop.questions)} questions asked: [bold]{asked:.0%}[/]"
            f"   on {len(shop.twins)} other wordings, never asked by a customer: [bold]{twins:.0%}[/]"
        )
        return asked, twins

    def _learn_from_reviews(self, loop: Ratchet, people: People) -> None:
        house = loop.house
        loop.flush()
        enrich(house.outside, "support", house.loop.rules)
        cases = queue.fill(house.outside, "support", REVIEWS, people.chance)
        mistakes = people.review(cases)
        self._say(
            f"  {len(cases)} cases decided by Ines, {mistakes} of them mistakes; each is a lesson with her name on it."
        )
        turn = self._turn(loop, people, "support")
        assert turn.gate is not None
        self._gate_table(turn.gate)
        self._say(f"  [bold green]{turn.summary().split('. ')[0]}.[/]")

    def _turn(self, loop: Ratchet, people: People, app: str) -> TurnReport:
        """A turn, with Ines answering what its gate asks."""
        turn = loop.learn(app, now=True)
        if turn.waiting:
            self._say(
                f"  The candidate answers {turn.waiting} recent requests differently from what is live;"
                " only those are put to Ines."
            )
            cases = [case for case in loop.cases(app) if "gate" in case.reasons]
            people.review(cases)
            turn = loop.learn(app, now=True)
        return turn

    def _gains(
        self, people: People, wrong: Sequence[Asked], before: tuple[float, float], after: tuple[float, float]
    ) -> None:
        fixed = [q for q in wrong if is_right(q, people.peek(q.text))]
        self.figures["fixed"], self.figures["wrong_before"] = len(fixed), len(wrong)
        for question in fixed[:SHOWN]:
            reply = people.peek(question.text)
            lesson = next((item.id for item in reply.influences if item.kind == "lesson"), "-")
            self._say(f"  [green]right[/]  {question.text}  [dim]-> {reply.passage_id}, because of {lesson}[/]")
        self._say(
            f"  {len(fixed)} of {len(wrong)} mistakes are gone."
            f" Asked questions {before[0]:.0%} -> [bold]{after[0]:.0%}[/],"
            f" other wordings {before[1]:.0%} -> [bold]{after[1]:.0%}[/]."
        )

    def _bad_candidate(self, loop: Ratchet, people: People, shop: Shop) -> None:
        house = loop.house
        sound = [q for q in shop.questions if is_right(q, people.peek(q.text))][:40]
        replies = [people.app(q.text, user=q.user) for q in sound]
        for question, reply in zip(sound, replies, strict=True):
            people.asked[reply.id] = question
            loop.feedback(reply.id, app="support", user=question.user, thumb="down")
        known = {lesson.id for lesson in house.store.lessons.all("support")}
        people.misjudge(loop.cases("support"), shop.passage_ids, "Theo (temp)")
        turn = self._turn(loop, people, "support")
        assert turn.gate is not None
        self.figures["bad_candidate_released"] = float(turn.release is not None)
        self._say(f"  [bold red]{turn.gate.decision}:[/] {_because(turn.gate)}")
        bad = [item for item in house.store.lessons.all("support") if item.id not in known and "temp" in item.reviewer]
        for lesson in bad:
            if lesson.status == "active":
                loop.revoke(lesson.id, actor="Ines", reason="Approved without reading.")
        self._say(f"  Ines revokes the temp's {len(bad)} lessons; they are dead in every release, past and future.")

    def _policy(self, loop: Ratchet, people: People, shop: Shop) -> None:
        concerned = [q for q in [*shop.questions, *shop.twins] if q.truth in {c.passage_id for c in shop.changes}]
        facts = {change.passage_id: change for change in shop.changes}
        self._stale(people, concerned, facts, "before")
        for change in shop.changes:
            reply = people.app(f"What is the rule now: {change.title.split('>')[-1].strip()}?", user="customer-01")
            people.asked[reply.id] = Asked(reply, change.passage_id, "customer-01")
            loop.feedback(reply.id, app="support", user="customer-01", flags=["outdated"], comment="This has changed.")
        for case in loop.cases("support"):
            truth = people.asked[case.trace_id].truth
            if "flag: outdated" in case.reasons:
                loop.decide(
                    case.id,
                    reviewer="Ines",
                    erred=True,
                    failure_mode="outdated",
                    answer=facts[truth].text,
                    passage_id=truth,
                )
        turn = loop.learn("support", now=True)
        if turn.waiting:
            self._review_new_policy(loop, people, facts)
            turn = loop.learn("support", now=True)
        if turn.gate is not None:
            self._say(f"  {turn.gate.decision}: {_because(turn.gate)}")
        self._stale(people, concerned, facts, "after")

    def _review_new_policy(self, loop: Ratchet, people: People, facts: dict[str, PolicyChange]) -> None:
        """Ines reads the answers that would differ: those with an old fact in them are wrong now."""
        cases = [case for case in loop.cases("support") if "gate" in case.reasons]
        traces = loop.house.store.traces.many(case.trace_id for case in cases)
        for case in cases:
            truth, trace = people.asked[case.trace_id].truth, traces[case.trace_id]
            change = facts.get(truth)
            outdated = change is not None and change.old_fact in trace.output
            erred = outdated or trace.passage_id != truth
            answer = change.text if change is not None and erred else ""
            loop.decide(case.id, reviewer="Ines", erred=erred, passage_id=truth if erred else "", answer=answer)
        self._say(f"  {len(cases)} answers would differ; Ines reads them and says which are right now.")

    def _stale(self, people: People, questions: Sequence[Asked], facts: dict[str, PolicyChange], when: str) -> None:
        answers = [
            (reply.text, facts[q.truth]) for q in questions if (reply := people.peek(q.text)).passage_id == q.truth
        ]
        stale = sum(change.old_fact in text for text, change in answers)
        new = sum(change.new_fact in text for text, change in answers)
        self.figures[f"stale_{when}"], self.figures[f"new_fact_{when}"] = stale, new
        self._say(
            f"  {when}: of {len(questions)} questions about a changed rule, {stale} get the old rule"
            f" and {new} the new one ({len(questions) - stale - new} are answered from another page)."
        )

    def _rollback(self, loop: Ratchet, people: People, shop: Shop) -> None:
        probes = [q.text for q in [*shop.questions, *shop.twins]]
        live = loop.house.store.releases.active("support")
        now = [people.peek(text) for text in probes]
        earlier = loop.rollback("support", actor="Ines", reason="Checking a complaint.")
        score = people.score(shop.questions)
        loop.promote("support", live, actor="Ines", reason="The complaint was unfounded.")
        again = [people.peek(text) for text in probes]
        self.figures["same_after_rollback"] = float(now == again)
        same = sum(a == b for a, b in zip(now, again, strict=True))
        self._say(
            f"  release {live} -> release {earlier} (right on {score:.0%}) -> release {live} again:"
            f" {same} of {len(probes)} answers are exactly as they were."
        )

    def _moderation(self, loop: Ratchet, people: People, shop: Shop) -> None:
        self._title(6, "The same loop on a moderation step that sorts comments into four labels.")
        first, next_day, unseen = shop.comments[:140], shop.comments[140:220], shop.comments[220:]
        before = people.score(unseen)
        people.ask(first)
        loop.flush()
        enrich(loop.house.outside, "moderation", loop.house.loop.rules)
        cases = queue.fill(loop.house.outside, "moderation", REVIEWS, people.chance)
        people.review(cases)
        people.ask(next_day)
        turn = self._turn(loop, people, "moderation")
        after = people.score(unseen)
        self.figures["moderation_before"], self.figures["moderation_after"] = before, after
        reason = _because(turn.gate) if turn.gate is not None else turn.summary()
        self._say(f"  {turn.gate.decision if turn.gate else 'no candidate'}: {reason}")
        self._say(
            f"  {len(cases)} of the first {len(first)} comments reviewed, {len(next_day)} more came in; right on"
            f" {len(unseen)} that nobody has seen yet: {before:.0%} -> [bold]{after:.0%}[/]"
        )

    def _audit(self, loop: Ratchet) -> None:
        self._title(7, "Who did what: the audit trail.")
        entries = loop.house.store.audit.entries()
        previous, intact = GENESIS, 0
        for entry in entries:
            intact += entry.is_intact(previous)
            previous = entry.hash
        telling = [e for e in entries if e.action.startswith(("release.", "gate.")) or e.action == "lesson.revoked"]
        table = Table("entry", "who", "what", "app", "subject", box=None, pad_edge=False, header_style="bold")
        for entry in [*telling[:6], *telling[-4:]]:
            table.add_row(str(entry.sequence), entry.actor, entry.action, entry.app, entry.subject)
        self.console.print(table)
        self.figures["audit_entries"], self.figures["audit_intact"] = len(entries), intact
        self._say(f"  {len(entries)} entries, {intact} of them intact in one chain.")

    def _gate_table(self, gate: GateReport) -> None:
        table = Table("check", "outcome", "what it found", box=None, pad_edge=False, header_style="bold")
        for check in gate.checks:
            table.add_row(check.name, check.outcome.replace("_", " "), check.message)
        self.console.print(table)

    def _title(self, number: int, text: str) -> None:
        self.console.print(f"\n[bold cyan]{number}. {text}[/]")

    def _say(self, text: str) -> None:
        self.console.print(text)

    def _chance(self) -> random.Random:
        return random.Random(f"people:{self.seed}")


def _because(gate: GateReport) -> str:
    """The finding that decided."""
    if gate.decision == "reject":
        return " ".join(check.message for check in gate.checks if check.outcome == "failed")
    return gate.reason
