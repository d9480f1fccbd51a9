"""While the service is away, slow or says no, an application answers as before, and nothing it said is lost."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from ratchet import InvalidInput, Ratchet, Unauthorized, Unavailable
from ratchet.layers.layer import Learned
from tests.conftest import LABELS
from tests.unit.sdk.conftest import LEXICAL, echo, eventually, teach
from tests.unit.sdk.small_service import SmallService

QUESTION = "Can I return my bike after six weeks?"
RIGHT = "Yes, within 60 days."
Connect = Callable[..., Ratchet]


def kept_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state").rglob("*.release"))


def kept_number(loop: Ratchet, app: str = "support") -> int:
    """The number of the release that is kept, -1 for none."""
    content = loop._remote("x").line.keeper.watch(loop._declared[app]).kept.content
    return -1 if content is None else content.number


@pytest.fixture
def taught(connect: Connect) -> Ratchet:
    """A client with one release, which it keeps."""
    loop = connect()
    loop.app("support", prompt="Be brief.")(echo)
    teach(loop, QUESTION, RIGHT)
    eventually(lambda: kept_number(loop) == 1)
    return loop


class TestWhenTheServiceStops:
    def test_the_kept_release_answers_and_nobody_waits(self, taught: Ratchet, service: SmallService) -> None:
        support = taught._declared["support"]
        service.stop()
        assert support(QUESTION) == RIGHT  # loads the kept release
        taken = []
        for _ in range(20):
            began = time.perf_counter()
            reply = support("can I return my bike after six weeks")
            taken.append(time.perf_counter() - began)
        assert (reply, reply.release, reply.source, reply.feedback_token) == (RIGHT, 1, "reviewed", "")
        assert sorted(taken)[10] < 0.05
        other = support("Where is the shop?")
        assert (other, other.release, other.source) == ("own: Where is the shop?", 1, "base")

    def test_a_restarted_program_answers_from_what_is_on_disk(
        self, taught: Ratchet, service: SmallService, connect: Connect
    ) -> None:
        taught.close()
        service.stop()
        seen: list[Learned] = []

        @(again := connect()).app("support", prompt="Be brief.")
        def support(question: str, learned: Learned) -> str:
            seen.append(learned)
            return "own"

        assert (support(QUESTION), support(QUESTION).release) == (RIGHT, 1)
        assert support("May I return a bike six weeks after I bought it?") == "own"
        assert (seen[0].prompt, [lesson.answer for lesson in seen[0].examples]) == ("Be brief.", [RIGHT])
        assert [hit.passage.text for hit in seen[0].passages] == [RIGHT]
        assert again.feedback("tr_1", thumb="up", wait_s=0).accepted is False

    def test_what_was_said_meanwhile_arrives_once_when_it_is_back(self, taught: Ratchet, service: SmallService) -> None:
        support = taught._declared["support"]
        service.stop()
        reply = support("Where is the shop?", user="u3")
        given = taught.feedback(reply.id, user="u3", thumb="down", correction="In the High Street.", event_id="e7")
        assert given.accepted is False
        assert given.reason.startswith("Kept here, to be delivered later: The service at http://127.0.0.1")
        again = taught.feedback(reply.id, user="u3", thumb="down", correction="In the High Street.", event_id="e7")
        assert again.accepted is False
        service.start()
        assert taught.flush(20.0)
        store = service.house.store
        trace = store.traces.get(reply.id)
        assert trace is not None
        assert (trace.output, trace.release, trace.context.user) == ("own: Where is the shop?", 1, "u3")
        assert [said.id for said in store.feedback.history(reply.id)] == ["e7"]
        assert store.feedback.tallies("support")["duplicate"] >= 1

    def test_nobody_waits_for_feedback_to_be_acknowledged(self, taught: Ratchet, service: SmallService) -> None:
        service.stop()
        taught.feedback("tr_1", thumb="up")
        began = time.perf_counter()
        for number in range(10):
            assert not taught.feedback("tr_1", user=f"u{number}", thumb="up", wait_s=5.0).accepted
        assert time.perf_counter() - began < 0.5

    def test_it_is_asked_again_when_it_is_back(
        self, taught: Ratchet, service: SmallService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        support, breaker = taught._declared["support"], taught._remote("x").line.knowing._breaker
        monkeypatch.setattr(breaker, "_pause_s", 0.2)
        service.stop()
        for _ in range(5):
            support(QUESTION)
        assert breaker.is_open
        service.start()
        eventually(lambda: support(QUESTION).feedback_token != "")
        assert not breaker.is_open

    def test_but_what_must_be_known_says_that_it_cannot_be(self, taught: Ratchet, service: SmallService) -> None:
        service.stop()
        for ask in (taught.releases, taught.cases, taught.lessons, lambda app: taught.answer("elsewhere", "hello")):
            with pytest.raises(Unavailable, match="cannot be reached"):
                ask("support")


class TestWhenTheServiceHangs:
    def test_an_answer_waits_for_its_budget_and_five_of_them_for_none_at_all(
        self, service: SmallService, connect: Connect
    ) -> None:
        loop = connect(learned_timeout_s=0.1)
        support = loop.app("support")(echo)
        eventually(lambda: support("hello").source == "base")
        service.slow_s = 3.0
        began = time.perf_counter()
        for _ in range(5):
            assert support("hello") == "own: hello"
        first_five = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(20):
            assert support("hello") == "own: hello"
        others = time.perf_counter() - began
        service.slow_s = 0.0
        assert 0.3 < first_five < 1.5
        assert others < 0.5

    def test_feedback_waits_as_long_as_it_was_told_and_arrives_later(
        self, taught: Ratchet, service: SmallService
    ) -> None:
        reply = taught.answer("support", "hello")
        taught.flush(5.0)
        service.slow_s = 0.6
        began = time.perf_counter()
        given = taught.feedback(reply.id, thumb="down", wait_s=0.1)
        assert time.perf_counter() - began < 0.4
        assert (given.accepted, given.reason) == (
            False, "Kept here, to be delivered later: not acknowledged within 0.1 s",
        )  # fmt: skip
        assert taught.flush(10.0)
        assert [said.thumb for said in service.house.store.feedback.history(reply.id)] == ["down"]


class TestWhenTheServiceWasNeverThere:
    @pytest.fixture
    def alone(self, tmp_path: Path) -> Ratchet:
        return Ratchet("http://127.0.0.1:9", environment={**LEXICAL, "RATCHET_STATE": str(tmp_path / "state")})

    def test_the_function_gets_its_prompt_alone(self, alone: Ratchet, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[Learned] = []

        @alone.app("support", prompt="Be brief.")
        def support(question: str, learned: Learned) -> str:
            seen.append(learned)
            return "own"

        reply = support("hello")
        assert (reply, reply.source, reply.release, reply.influences) == ("own", "fallback", 0, ())
        assert reply.id.startswith("tr_")
        assert seen == [Learned(prompt="Be brief.")]
        for _ in range(10):
            support("hello")
        said = [line for line in caplog.messages if "The service does not say what was learned" in line]
        assert len(said) <= 1
        alone.close(0.1)

    def test_what_it_recorded_waits_on_disk(self, alone: Ratchet, tmp_path: Path) -> None:
        reply = alone.app("support")(echo)("hello")
        alone.feedback(reply.id, thumb="down", correction="good day")
        alone.close(2.0)
        kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
        assert b"good day" in kept
        assert b"own: hello" in kept

    def test_an_app_that_cannot_be_one_still_answers(self, alone: Ratchet, caplog: pytest.LogCaptureFixture) -> None:
        reply = alone.app("triage", kind="classify", labels=["one"])(echo)("hello")
        assert (reply, reply.source, reply.id) == ("own: hello", "fallback", "")
        assert "Ratchet cannot be used for triage" in caplog.text
        alone.close(0.1)

    def test_no_folder_to_keep_things_in_does_no_harm(self, tmp_path: Path, service: SmallService) -> None:
        (tmp_path / "file").write_text("")
        loop = Ratchet(service.url, environment={**LEXICAL, "RATCHET_STATE": str(tmp_path / "file" / "state")})
        reply = loop.app("support")(echo)("hello")
        assert reply == "own: hello"
        assert loop.feedback(reply.id, thumb="down", wait_s=10.0).accepted
        loop.close()


class TestWhenTheServiceSaysNo:
    def test_a_wrong_key_stops_no_answer_and_loses_no_feedback(
        self, service: SmallService, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.key = "right"
        loop = connect(RATCHET_API_KEY="wrong")
        reply = loop.app("support")(echo)("hello")
        assert (reply, reply.source) == ("own: hello", "fallback")
        given = loop.feedback(reply.id, thumb="down", wait_s=5.0)
        assert (given.accepted, "The key is wrong." in given.reason) == (False, True)
        with pytest.raises(Unauthorized):
            loop.releases("support")
        loop.close(1.0)
        assert "The key is wrong. Use another." in caplog.text
        mended = connect(RATCHET_API_KEY="right")
        mended.app("support")(echo)("hello")
        assert mended.flush(20.0)
        assert len(service.house.store.feedback.history(reply.id)) == 1

    def test_an_app_of_another_kind_is_not_declared_but_answers(
        self, service: SmallService, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.house.declare("support", "classify", labels=LABELS)
        reply = connect().app("support")(echo)("hello")
        assert (reply, reply.source) == ("own: hello", "fallback")
        assert "support is an app of kind classify, not answer." in caplog.text

    def test_feedback_that_it_refuses_is_not_accepted_and_not_repeated(
        self, service: SmallService, connect: Connect
    ) -> None:
        loop = connect()
        one, two = loop.app("support")(echo), loop.app("triage", kind="classify", labels=LABELS)(echo)
        reply = one("hello")
        two("hello")
        assert loop.flush(10.0)
        given = loop.feedback(reply.id, app="triage", thumb="down", wait_s=10.0)
        assert (given.accepted, "belongs to support" in given.reason) == (False, True)
        sent = service.seen.count(("POST", "/v1/traces/batch"))
        loop.flush(5.0)
        assert service.seen.count(("POST", "/v1/traces/batch")) == sent


class TestTheKeptFile:
    def test_is_refused_when_it_was_altered_and_fetched_again(
        self, taught: Ratchet, service: SmallService, connect: Connect, tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        taught.close()
        (file,) = kept_files(tmp_path)
        whole = file.read_bytes()
        file.write_bytes(whole.replace(b"60 days", b"90 days"))
        service.stop()
        again = connect()
        support = again.app("support", prompt="Be brief.")(echo)
        assert (support(QUESTION), support(QUESTION).source) == (f"own: {QUESTION}", "fallback")
        assert "is not as it was written" in caplog.text
        service.start()
        again._remote("x").line.keeper.wake()
        eventually(lambda: kept_number(again) == 1)
        eventually(lambda: file.read_bytes() == whole)

    @pytest.mark.parametrize("body", [b"", b"\n", b"junk", b"0" * 64 + b"\n{}"])
    def test_that_is_none_does_no_harm(
        self, taught: Ratchet, service: SmallService, connect: Connect, tmp_path: Path, body: bytes
    ) -> None:
        taught.close()
        (file,) = kept_files(tmp_path)
        file.write_bytes(body)
        service.stop()
        assert connect().app("support")(echo)("hello") == "own: hello"

    def test_follows_rollbacks_and_revocations(self, taught: Ratchet, service: SmallService) -> None:
        support = taught._declared["support"]
        taught.rollback("support", actor="ana", reason="x")
        eventually(lambda: kept_number(taught) == 0)
        taught.promote("support", 1, actor="ana", reason="x")
        eventually(lambda: kept_number(taught) == 1)
        (lesson,) = taught.lessons("support")
        taught.revoke(lesson.id, actor="ana", reason="x")
        kept = taught._remote("x").line.keeper.watch(support).kept
        eventually(lambda: kept.content is not None and kept.content.lessons == [])
        service.stop()
        assert (support(QUESTION), support(QUESTION).source) == (f"own: {QUESTION}", "base")


class TestTheObject:
    def test_declares_its_app_with_its_knowledge_when_it_is_first_asked(
        self, service: SmallService, connect: Connect, tmp_path: Path
    ) -> None:
        knowledge = tmp_path / "knowledge.jsonl"
        knowledge.write_text('{"passage_id": "p", "title": "Returns", "text": "Within 30 days."}\n')
        loop = connect()
        support = loop.app("support", knowledge=knowledge, prompt="Be brief.")(echo)
        assert service.seen == []
        assert support("May I return it?").passage_id == "p"
        (app,) = loop.apps()
        assert (app.name, app.kind, app.base, app.prompt) == ("support", "answer", "function:echo", "Be brief.")
        assert service.seen.count(("PUT", "/v1/apps/support/knowledge")) == 1

    def test_answers_through_apps_that_the_service_runs(self, service: SmallService, connect: Connect) -> None:
        service.open.offline("triage", kind="classify", labels=LABELS)("hello")
        loop = connect()
        reply = loop.answer("triage", "where is my parcel", user="u1")
        assert (reply, reply.release, reply.source) == ("delivery", 0, "base")
        assert reply.feedback_token == "token-u1"
        assert loop.feedback(reply.id, thumb="down", wait_s=10.0).accepted

    def test_refuses_apps_without_a_function(self, connect: Connect) -> None:
        loop = connect()
        for declare in (loop.offline, lambda name: loop.model(name, "small-model")):
            with pytest.raises(InvalidInput, match="Declare it in the service's"):
                declare("support")

    def test_has_no_house_over_http_and_no_api_without_it(self, connect: Connect, tmp_path: Path) -> None:
        for inside in (lambda: connect().house, lambda: connect().reembed()):
            with pytest.raises(InvalidInput, match="is inside the service"):
                inside()
        embedded = Ratchet(tmp_path / "r.db", environment=LEXICAL)
        for outside in (
            lambda: embedded.api, lambda: embedded.feedback_token("tr_1"), lambda: embedded.status("fb_1"),
        ):  # fmt: skip
            with pytest.raises(InvalidInput, match="needs the service"):
                outside()

    def test_is_chosen_by_the_environment_when_nothing_is_given(self, service: SmallService, tmp_path: Path) -> None:
        environment = {**LEXICAL, "RATCHET_URL": service.url, "RATCHET_API_KEY": "k"}
        assert Ratchet(environment=environment).api.url == service.url
        with Ratchet(tmp_path / "r.db", environment=environment) as loop:
            assert loop.house.store is not None

    @pytest.mark.parametrize("url", ["http://", "https://user:pw@host", "http://host?key=x", "http://a b"])
    def test_refuses_an_address_that_is_none_and_never_shows_it(self, url: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            Ratchet(url)
        assert "pw" not in str(caught.value)

    def test_refuses_a_key_that_no_header_can_carry(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            Ratchet("http://127.0.0.1:9", key="rk_sk_se\ncret")
        assert "cret" not in str(caught.value)

    def test_opens_nothing_before_the_first_use(self, tmp_path: Path) -> None:
        loop = Ratchet("http://127.0.0.1:9", environment={"RATCHET_STATE": str(tmp_path / "state")})
        loop.app("support")(echo)
        assert loop.flush()
        loop.close()
        assert not (tmp_path / "state").exists()

    def test_works_in_a_forked_child(self, taught: Ratchet, service: SmallService) -> None:
        support = taught._declared["support"]
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of any fork beside threads
            child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                reply = support(QUESTION)
                said = taught.feedback(reply.id, thumb="up", event_id="child", wait_s=10.0)
                os.write(writer, f"{reply}|{said.accepted}".encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 100).decode() == f"{RIGHT}|True"
        assert support(QUESTION) == RIGHT

    def test_never_raises_when_it_records(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        broken = Ratchet(tmp_path / "nowhere" / "r.db", environment=LEXICAL)
        with caplog.at_level(logging.ERROR):
            assert broken.record("bot", "hello", "hi").startswith("tr_")
        assert "A trace of bot was not recorded" in caplog.text
