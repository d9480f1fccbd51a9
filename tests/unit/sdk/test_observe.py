"""Observed functions do what they did, and each call becomes a trace."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet import Ratchet
from ratchet.records.trace import Trace
from ratchet.sdk.observe import current_trace_id, observe, text_of


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Ratchet]:
    with Ratchet(tmp_path / "r.db", environment={"RATCHET_EMBEDDER": "lexical"}) as loop:

        @loop.app("support")
        def support(question: str, learned: object) -> str:
            return "an answer"

        yield loop


@pytest.fixture
def recorded(loop: Ratchet) -> Callable[[], list[Trace]]:
    """The traces on disk, in the order in which they were recorded."""

    def read() -> list[Trace]:
        loop.flush()
        return sorted(loop.house.store.traces.recent("support", 1000), key=lambda trace: trace.at)

    return read


def said(traces: list[Trace]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(trace.input, trace.output, trace.context.tags) for trace in traces]


Recorded = Callable[[], list[Trace]]


class TestFunctions:
    def test_a_call_becomes_a_trace_with_its_time(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer(question: str, tone: str = "calm") -> str:
            """Answers."""
            return f"{question} {tone}"

        assert answer("How?", tone="kind") == "How? kind"
        assert (answer.__name__, answer.__doc__) == ("answer", "Answers.")
        [trace] = recorded()
        assert (trace.input, trace.output, trace.context.tags) == ("How?", "How? kind", ())
        assert trace.latency_ms is not None
        assert 0 <= trace.latency_ms < 1000

    def test_the_first_argument_is_the_input_whether_named_or_not_and_self_is_no_argument(
        self, loop: Ratchet, recorded: Recorded
    ) -> None:
        class Desk:
            @loop.observe("support")
            def answer(self, question: str, user: str = "") -> str:
                return "a"

            @classmethod
            @loop.observe("support")
            def of_class(cls, question: str) -> str:
                return "b"

        Desk().answer("one", "u1")
        Desk().answer(user="u1", question="two")
        Desk.of_class("three")
        assert [trace.input for trace in recorded()] == ["one", "two", "three"]

    def test_input_output_and_context_can_be_said(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe(
            "support",
            input=lambda messages, user: messages[-1]["content"],
            output=lambda result: result["text"],
            context=lambda messages, user: {"user": user, "session": "s1", "tags": ["beta"]},
        )
        def answer(messages: list[dict[str, str]], user: str) -> dict[str, str]:
            return {"text": "yes"}

        assert answer([{"content": "May I?"}], "u7") == {"text": "yes"}
        [trace] = recorded()
        assert (trace.input, trace.output) == ("May I?", "yes")
        assert (trace.context.user, trace.context.session, trace.context.tags) == ("u7", "s1", ("beta",))

    def test_an_argument_that_the_function_changes_is_recorded_as_it_came(
        self, loop: Ratchet, recorded: Recorded
    ) -> None:
        @loop.observe("support")
        def answer(words: list[str]) -> str:
            words.clear()
            return "done"

        answer(["a", "b"])
        assert recorded()[0].input == '["a", "b"]'

    def test_an_error_passes_unchanged_and_is_recorded_with_its_tag(self, loop: Ratchet, recorded: Recorded) -> None:
        error = KeyError("gone")

        @loop.observe("support", output=lambda result: result["text"])
        def answer(question: str) -> str:
            raise error

        with pytest.raises(KeyError) as caught:
            answer("How?")
        assert caught.value is error
        assert said(recorded()) == [("How?", "", ("error",))]

    def test_the_end_of_the_program_passes_too(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer(question: str) -> str:
            raise SystemExit(3)

        with pytest.raises(SystemExit):
            answer("How?")
        assert said(recorded()) == [("How?", "", ("stopped",))]

    def test_the_result_is_the_very_object(self, loop: Ratchet) -> None:
        result = object()

        @loop.observe("support")
        def answer(question: str) -> object:
            return result

        assert answer("How?") is result


class TestGenerators:
    def test_what_was_yielded_is_the_output(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer(question: str) -> Iterator[str]:
            yield from ("Within ", "30 ", "days.\n")

        assert inspect.isgeneratorfunction(answer)
        assert list(answer("How?")) == ["Within ", "30 ", "days.\n"]
        assert said(recorded()) == [("How?", "Within 30 days.\n", ())]

    def test_items_that_are_no_text_stand_on_lines(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer(question: str) -> Iterator[dict[str, int]]:
            yield {"a": 1}
            yield {"b": 2}

        list(answer("How?"))
        assert recorded()[0].output == '{"a": 1}\n{"b": 2}'

    def test_output_receives_the_items(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support", output=lambda items: sum(items))
        def answer(question: str) -> Iterator[int]:
            yield from range(5)

        list(answer("How?"))
        assert recorded()[0].output == "10"

    def test_send_throw_and_the_returned_value_reach_the_generator(self, loop: Ratchet) -> None:
        @loop.observe("support")
        def answer(question: str) -> Any:
            heard = []
            while len(heard) < 3:
                try:
                    heard.append((yield len(heard)))
                except ValueError as error:
                    heard.append(error)
            return heard

        steps = answer("How?")
        error = ValueError("no")
        assert [next(steps), steps.send("a"), steps.throw(error)] == [0, 1, 2]
        with pytest.raises(StopIteration) as end:
            steps.send("b")
        assert end.value.value == ["a", error, "b"]

    def test_one_that_is_not_read_to_its_end_is_closed_and_says_so(self, loop: Ratchet, recorded: Recorded) -> None:
        closed = []

        @loop.observe("support")
        def answer(question: str) -> Iterator[str]:
            try:
                yield "a"
                yield "b"
            finally:
                closed.append(current_trace_id())

        steps = answer("How?")
        next(steps)
        steps.close()  # type: ignore[attr-defined]
        [trace] = recorded()
        assert said([trace]) == [("How?", "a", ("stopped",))]
        assert closed == [trace.id]

    def test_one_that_fails_keeps_what_it_yielded(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer(question: str) -> Iterator[str]:
            yield "a"
            raise OSError("broken")

        with pytest.raises(OSError, match="broken"):
            list(answer("How?"))
        assert said(recorded()) == [("How?", "a", ("error",))]

    def test_a_plain_function_may_return_one(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer(question: str) -> Iterator[str]:
            return (word for word in ("a", "b"))

        assert list(answer("How?")) == ["a", "b"]
        assert said(recorded()) == [("How?", "ab", ())]


class TestAsync:
    def test_a_coroutine_becomes_a_trace(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        async def answer(question: str) -> str:
            await asyncio.sleep(0)
            return "yes"

        assert inspect.iscoroutinefunction(answer)
        assert asyncio.run(answer("How?")) == "yes"
        assert said(recorded()) == [("How?", "yes", ())]

    def test_a_cancelled_call_is_cancelled_and_says_so(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        async def answer(question: str) -> None:
            await asyncio.sleep(60)

        async def impatient() -> None:
            await asyncio.wait_for(answer("How?"), 0.01)

        with pytest.raises(TimeoutError):
            asyncio.run(impatient())
        assert said(recorded()) == [("How?", "", ("stopped",))]

    def test_an_async_generator_becomes_a_trace(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        async def answer(question: str) -> AsyncIterator[str]:
            for word in ("a", "b"):
                await asyncio.sleep(0)
                yield word

        async def read() -> list[str]:
            return [word async for word in answer("How?")]

        assert inspect.isasyncgenfunction(answer)
        assert asyncio.run(read()) == ["a", "b"]
        assert said(recorded()) == [("How?", "ab", ())]

    def test_asend_athrow_and_aclose_reach_the_async_generator(self, loop: Ratchet, recorded: Recorded) -> None:
        heard: list[object] = []

        @loop.observe("support")
        async def answer(question: str) -> Any:
            try:
                while True:
                    try:
                        heard.append((yield str(len(heard))))
                    except ValueError as error:
                        heard.append(error)
            finally:
                await asyncio.sleep(0)
                heard.append("closed")

        async def talk() -> None:
            steps = answer("How?")
            error = ValueError("no")
            assert [await anext(steps), await steps.asend("a"), await steps.athrow(error)] == ["0", "1", "2"]
            await steps.aclose()
            assert heard == ["a", error, "closed"]

        asyncio.run(talk())
        assert said(recorded()) == [("How?", "012", ("stopped",))]

    def test_a_plain_function_may_return_a_coroutine_or_an_async_generator(
        self, loop: Ratchet, recorded: Recorded
    ) -> None:
        async def later(question: str) -> str:
            return question.upper()

        async def words(question: str) -> AsyncIterator[str]:
            yield question

        @loop.observe("support")
        def answer(question: str, how: Callable[[str], Any]) -> Any:
            return how(question)

        async def both() -> tuple[str, list[str]]:
            return await answer("a", later), [word async for word in answer("b", words)]

        assert asyncio.run(both()) == ("A", ["b"])
        assert said(recorded()) == [("a", "A", ()), ("b", "b", ())]

    def test_calls_at_the_same_time_keep_their_ids_apart(self, loop: Ratchet, recorded: Recorded) -> None:
        seen: dict[str, set[str]] = {}

        @loop.observe("support")
        async def answer(question: str) -> AsyncIterator[str]:
            for _ in range(5):
                seen.setdefault(question, set()).add(current_trace_id())
                await asyncio.sleep(0)
                yield "."

        async def read(question: str) -> None:
            async for _ in answer(question):
                assert current_trace_id() == ""

        async def all_of_them() -> None:
            await asyncio.gather(*(read(str(number)) for number in range(10)))

        asyncio.run(all_of_them())
        assert {trace.input: {trace.id} for trace in recorded()} == seen


class TestTheCurrentTrace:
    def test_it_is_the_id_to_give_feedback_on_and_none_outside(self, loop: Ratchet, recorded: Recorded) -> None:
        ids = []

        @loop.observe("support")
        def answer(question: str) -> str:
            ids.append(current_trace_id())
            assert loop.feedback(current_trace_id(), app="support", thumb="down").accepted
            return "a"

        assert current_trace_id() == ""
        answer("How?")
        assert current_trace_id() == ""
        assert [trace.id for trace in recorded()] == ids
        assert [case.trace_id for case in loop.cases("support")] == ids

    def test_a_call_within_a_call_has_its_own(self, loop: Ratchet, recorded: Recorded) -> None:
        ids = []

        @loop.observe("support")
        def inner(question: str) -> str:
            ids.append(current_trace_id())
            return "i"

        @loop.observe("support")
        def outer(question: str) -> str:
            ids.append(current_trace_id())
            inner("inside")
            ids.append(current_trace_id())
            return "o"

        outer("outside")
        assert ids[0] == ids[2] != ids[1]
        assert {trace.input: trace.id for trace in recorded()} == {"inside": ids[1], "outside": ids[0]}

    def test_a_generator_has_it_while_it_works_and_its_reader_has_not(self, loop: Ratchet) -> None:
        seen = []

        @loop.observe("support")
        def answer(question: str) -> Iterator[str]:
            for _ in range(3):
                seen.append(current_trace_id())
                yield "."

        for _ in answer("How?"):
            assert current_trace_id() == ""
        assert len(set(seen)) == 1
        assert seen[0].startswith("tr_")

    def test_threads_do_not_see_one_another(self, loop: Ratchet, recorded: Recorded) -> None:
        barrier = threading.Barrier(4)
        seen: dict[str, str] = {}

        @loop.observe("support")
        def answer(question: str) -> str:
            barrier.wait(5)
            seen[question] = current_trace_id()
            return "a"

        threads = [threading.Thread(target=answer, args=(str(number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {trace.input: trace.id for trace in recorded()} == seen


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class TestFailuresToRecord:
    def test_a_call_without_arguments_is_recorded_too(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer() -> str:
            return "a"

        answer()
        assert said(recorded()) == [("(no input)", "a", ())]

    def test_what_cannot_be_printed_is_named_by_its_type(self, loop: Ratchet, recorded: Recorded) -> None:
        @loop.observe("support")
        def answer(question: object) -> object:
            return Unprintable()

        answer(Unprintable())
        assert said(recorded()) == [("<Unprintable>", "<Unprintable>", ())]

    def test_callables_that_fail_cost_their_part_only(
        self, loop: Ratchet, recorded: Recorded, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*args: object, **named: object) -> Any:
            raise RuntimeError("not today")

        @loop.observe("support", input=fail, context=fail)
        def answer(question: str) -> str:
            return "a"

        with caplog.at_level(logging.WARNING):
            assert answer("How?") == "a"
        assert "not today" in caplog.text
        assert said(recorded()) == [("(no input)", "a", ())]

    def test_a_loop_that_fails_is_logged_and_the_call_goes_on(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken:
            def record(self, app: str, input: str, output: str, **about: Any) -> str:
                raise OSError("the disk is gone")

        @observe(Broken(), "support")
        def answer(question: str) -> str:
            return "a"

        with caplog.at_level(logging.WARNING):
            assert answer("How?") == "a"
        assert "the disk is gone" in caplog.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"), (None, ""), (3, "3"), ({"a": ["ä", None]}, '{"a": ["ä", null]}'),
        ((1, "b"), '[1, "b"]'),
        ([Unprintable()], '["<Unprintable>"]'), (b"caf\xc3\xa9\xff", "café\ufffd"), ("x" * 200_000, "x" * 100_000),
        (ValueError("why"), "why"),
    ],
)  # fmt: skip
def test_values_become_text(value: object, text: str) -> None:
    assert text_of(value) == text
