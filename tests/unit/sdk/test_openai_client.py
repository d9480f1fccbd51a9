"""A wrapped OpenAI client is the client it was, and its calls become traces."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ratchet import Ratchet
from ratchet.providers.scripted import Reply, ScriptedServer
from ratchet.records.trace import Trace, Turn
from ratchet.sdk.openai_client import wrap
from ratchet.sdk.openai_shapes import app_name

openai = pytest.importorskip("openai")

HOW = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 0,
    "model": "small-2026",
    "status": "completed",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "30 days.", "annotations": []}],
        },
    ],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    "usage": {
        "input_tokens": 7, "output_tokens": 3, "total_tokens": 10, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}  # fmt: skip


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Ratchet]:
    with Ratchet(tmp_path / "r.db", environment={"RATCHET_EMBEDDER": "lexical"}) as loop:
        for name in ("support", "small-1", "small-2"):
            loop.app(name)(lambda question, learned: "an answer")
        yield loop


Recorded = Callable[[], list[Trace]]


@pytest.fixture
def recorded(loop: Ratchet) -> Recorded:
    def read() -> list[Trace]:
        loop.flush()
        traces = [
            trace for app in ("support", "small-1", "small-2") for trace in loop.house.store.traces.recent(app, 99)
        ]
        return sorted(traces, key=lambda trace: trace.at)

    return read


@contextmanager
def served(*steps: Reply | str) -> Iterator[Any]:
    """A client of a server that answers with these."""
    with ScriptedServer(steps) as server, openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
        yield client


def run_async(steps: list[Reply | str], work: Callable[[Any], Any]) -> Any:
    async def main() -> Any:
        with ScriptedServer(steps) as server:
            async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
                return await work(client)

    return asyncio.run(main())


def response(**other: Any) -> Reply:
    return Reply(path="/responses", body=json.dumps(RESPONSE | other).encode())


def events(*made: dict[str, Any]) -> Reply:
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in made]
    return Reply(path="/responses", body="".join(lines).encode(), headers={"content-type": "text/event-stream"})


def delta(text: str, number: int) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text,
        "sequence_number": number, "logprobs": [],
    }  # fmt: skip


class TestChat:
    def test_a_completion_becomes_a_trace(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("30 days.") as client:
            done = wrap(loop, client, "support").chat.completions.create(
                model="small", messages=HOW, user="u1", metadata={"session": "s1", "segment": "pro", "other": "x"}
            )
        assert done.choices[0].message.content == "30 days."
        [trace] = recorded()
        assert done.ratchet_trace_id == trace.id
        assert (trace.app, trace.input, trace.output, trace.model) == ("support", "How long?", "30 days.", "small")
        assert trace.history == (Turn("system", "Be brief."),)
        assert (trace.context.user, trace.context.session, trace.context.segment) == ("u1", "s1", "pro")
        assert (trace.input_tokens, trace.output_tokens) == (4, 2)
        assert trace.latency_ms is not None
        assert trace.context.tags == ()

    def test_the_id_is_no_part_of_what_the_completion_is_dumped_to(self, loop: Ratchet) -> None:
        with served("a", "a") as client:
            plain = client.chat.completions.create(model="small", messages=HOW)
            done = wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW)
        assert type(done) is type(plain)
        assert done.model_dump() == plain.model_dump()
        assert done.model_dump_json() == plain.model_dump_json()

    def test_feedback_on_the_id_opens_a_case(self, loop: Ratchet) -> None:
        with served("30 days.") as client:
            done = loop.openai(client, "support").chat.completions.create(model="small", messages=HOW)
        assert loop.feedback(done.ratchet_trace_id, app="support", thumb="down").accepted
        assert [case.trace_id for case in loop.cases("support")] == [done.ratchet_trace_id]

    def test_without_an_app_the_model_names_it(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a") as client:
            wrap(loop, client).chat.completions.create(model="small.1", messages=HOW)
        assert recorded()[0].app == "small-1"

    def test_the_last_message_of_the_user_is_the_input_and_images_are_not_copied(
        self, loop: Ratchet, recorded: Recorded
    ) -> None:
        messages = [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 7}'}}
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "shipped"},
            {"role": "user", "content": [
                {"type": "text", "text": "And this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
        ]  # fmt: skip
        with served("a") as client:
            wrap(loop, client, "support").chat.completions.create(model="small", messages=messages)
            messages.clear()
        [trace] = recorded()
        assert trace.input == "And this?\n[image_url]"
        assert trace.history == (
            Turn("system", "Be brief."), Turn("user", "Hello"), Turn("assistant", 'look_up({"id": 7})'),
            Turn("tool", "shipped"),
        )  # fmt: skip

    def test_messages_that_can_be_read_once_reach_both(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a") as client:
            wrap(loop, client, "support").chat.completions.create(model="small", messages=iter(HOW))
        assert recorded()[0].input == "How long?"

    def test_the_answer_of_the_model_may_be_said_again_as_it_came(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("30 days.", "Yes.") as client:
            wrapped = wrap(loop, client, "support")
            done = wrapped.chat.completions.create(model="small", messages=HOW)
            again = [*HOW, done.choices[0].message, {"role": "user", "content": "Sure?"}]
            wrapped.chat.completions.create(model="small", messages=again)
        assert recorded()[1].history[-1] == Turn("assistant", "30 days.")

    def test_a_call_of_a_tool_is_the_output(self, loop: Ratchet, recorded: Recorded) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 7}'}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        body = {
            "id": "x", "object": "chat.completion", "created": 0, "model": "small",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        }  # fmt: skip
        with served(Reply(body=json.dumps(body).encode())) as client:
            wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW)
        assert recorded()[0].output == 'look_up({"id": 7})'

    def test_an_error_is_the_one_that_was_raised_and_is_recorded(self, loop: Ratchet, recorded: Recorded) -> None:
        with served(Reply("too much", status=429)) as client:
            with pytest.raises(openai.RateLimitError) as caught:
                wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW)
            assert caught.value.status_code == 429
        [trace] = recorded()
        assert (trace.input, trace.output, trace.context.tags, trace.model) == ("How long?", "", ("error",), "small")

    def test_wrong_arguments_fail_as_before(self, loop: Ratchet) -> None:
        with served() as client, pytest.raises(TypeError, match="model"):
            wrap(loop, client, "support").chat.completions.create(messages=HOW)


class TestChatStreams:
    def test_the_pieces_pass_and_become_one_trace(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("within 30 days") as client:
            stream = wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW, stream=True)
            assert isinstance(stream, openai.Stream)
            texts = [chunk.choices[0].delta.content for chunk in stream]
        assert "".join(text or "" for text in texts) == "within 30 days"
        [trace] = recorded()
        assert (trace.output, trace.context.tags, trace.model) == ("within 30 days", (), "small")
        assert stream.ratchet_trace_id == trace.id

    def test_with_close_next_and_attributes_work(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a b", "a b") as client:
            wrapped = wrap(loop, client, "support")
            with wrapped.chat.completions.create(model="small", messages=HOW, stream=True) as stream:
                assert stream.response.status_code == 200
                assert next(stream).choices[0].delta.role == "assistant"
                assert len(list(stream)) == 3
            assert stream.response.is_closed
            stream = wrapped.chat.completions.create(model="small", messages=HOW, stream=True)
            next(stream), next(stream)
            stream.close()
            assert stream.response.is_closed
        assert [(trace.output, trace.context.tags) for trace in recorded()] == [("a b", ()), ("a ", ("stopped",))]

    def test_one_that_is_let_go_after_the_last_word_is_whole_and_before_it_is_not(
        self, loop: Ratchet, recorded: Recorded
    ) -> None:
        with served("a b", "a b") as client:
            wrapped = wrap(loop, client, "support")
            for chunk in wrapped.chat.completions.create(model="small", messages=HOW, stream=True):
                if chunk.choices[0].finish_reason:
                    break
            for chunk in wrapped.chat.completions.create(model="small", messages=HOW, stream=True):
                if chunk.choices[0].delta.content:
                    break
            gc.collect()
            assert [(trace.output, trace.context.tags) for trace in recorded()] == [("a b", ()), ("a ", ("stopped",))]

    def test_one_that_breaks_off_raises_the_error_and_keeps_what_came(self, loop: Ratchet, recorded: Recorded) -> None:
        with served(Reply("within 30 days", cut_after=420)) as client:
            stream = wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW, stream=True)
            with pytest.raises(Exception, match=r"(?i)peer|incomplete|chunk|connection") as caught:
                list(stream)
            assert not isinstance(caught.value, AttributeError)
        [trace] = recorded()
        assert trace.context.tags == ("error",)
        assert "within 30 days".startswith(trace.output)

    def test_calls_of_tools_and_counts_are_put_together(self, loop: Ratchet, recorded: Recorded) -> None:
        def chunk(call: dict[str, Any] | None, **other: Any) -> bytes:
            choice = {"index": 0, "delta": {"tool_calls": [call]} if call else {}, "finish_reason": None}
            head = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "small", "choices": [choice]}
            return b"data: " + json.dumps(head | other).encode() + b"\n\n"

        usage = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
        body = (
            chunk({"index": 0, "id": "c", "type": "function", "function": {"name": "look_up", "arguments": ""}})
            + chunk({"index": 0, "function": {"arguments": '{"id":'}})
            + chunk({"index": 0, "function": {"arguments": " 7}"}})
            + chunk(None, choices=[], usage=usage)
            + b"data: [DONE]\n\n"
        )
        with served(Reply(body=body)) as client:
            list(wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW, stream=True))
        [trace] = recorded()
        assert (trace.output, trace.input_tokens, trace.output_tokens) == ('look_up({"id": 7})', 5, 6)
        assert trace.context.tags == (), "it was read to its end, whether or not the endpoint gave a finish reason"


class TestResponses:
    def test_a_response_becomes_a_trace(self, loop: Ratchet, recorded: Recorded) -> None:
        with served(response()) as client:
            done = wrap(loop, client, "support").responses.create(
                model="small", input="How long?", instructions="Brief."
            )
        assert done.output_text == "30 days."
        [trace] = recorded()
        assert done.ratchet_trace_id == trace.id
        assert (trace.input, trace.output, trace.model) == ("How long?", "30 days.", "small-2026")
        assert (trace.history, trace.input_tokens, trace.output_tokens) == ((Turn("system", "Brief."),), 7, 3)

    def test_items_are_turns(self, loop: Ratchet, recorded: Recorded) -> None:
        items = [
            {"role": "user", "content": "Hello"},
            {"type": "reasoning", "id": "rs", "summary": []},
            {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "shipped"},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "And?"}, {"type": "input_image", "image_url": "x"}],
            },
        ]
        with served(response()) as client:
            wrap(loop, client, "support").responses.create(model="small", input=items)
        [trace] = recorded()
        assert trace.input == "And?\n[input_image]"
        assert trace.history == (Turn("user", "Hello"), Turn("assistant", "look_up({})"), Turn("tool", "shipped"))

    def test_a_call_of_a_function_is_the_output(self, loop: Ratchet, recorded: Recorded) -> None:
        call = {"type": "function_call", "id": "f", "call_id": "c", "name": "look_up", "arguments": "{}"}
        with served(response(output=[call])) as client:
            wrap(loop, client, "support").responses.create(model="small", input="How long?")
        assert recorded()[0].output == "look_up({})"

    def test_the_events_of_a_stream_become_one_trace(self, loop: Ratchet, recorded: Recorded) -> None:
        completed = {"type": "response.completed", "sequence_number": 3, "response": RESPONSE}
        steps = [events(delta("30 ", 1), delta("days", 2), completed), events(delta("30 ", 1), delta("da", 2))]
        with served(*steps) as client:
            wrapped = wrap(loop, client, "support")
            with wrapped.responses.create(model="small", input="How long?", stream=True) as stream:
                kinds = [event.type for event in stream]
            stream = wrapped.responses.create(model="small", input="How long?", stream=True)
            next(stream), next(stream)
            stream.close()
        assert kinds == ["response.output_text.delta", "response.output_text.delta", "response.completed"]
        first, second = recorded()
        assert (first.output, first.model, first.output_tokens, first.context.tags) == ("30 days.", "small-2026", 3, ())
        assert (second.output, second.context.tags) == ("30 da", ("stopped",))

    def test_a_response_that_failed_says_so(self, loop: Ratchet, recorded: Recorded) -> None:
        failed = {
            "type": "response.failed",
            "sequence_number": 2,
            "response": RESPONSE | {"status": "failed", "output": []},
        }
        with served(events(delta("30 ", 1), failed)) as client:
            list(wrap(loop, client, "support").responses.create(model="small", input="How long?", stream=True))
        [trace] = recorded()
        assert (trace.output, trace.context.tags) == ("30 ", ("error",))


class TestAsync:
    def test_completions_responses_and_streams_become_traces(self, loop: Ratchet, recorded: Recorded) -> None:
        async def work(client: Any) -> list[str]:
            wrapped = wrap(loop, client, "support")
            assert isinstance(wrapped, openai.AsyncOpenAI)
            one = await wrapped.chat.completions.create(model="small", messages=HOW)
            two = await wrapped.responses.create(model="small", input="How long?")
            three = await wrapped.chat.completions.create(model="small", messages=HOW, stream=True)
            assert isinstance(three, openai.AsyncStream)
            async with three:
                async for _ in three:
                    pass
            four = await wrapped.chat.completions.create(model="small", messages=HOW, stream=True)
            await anext(four), await anext(four)
            await four.close()
            assert four.response.is_closed
            return [done.ratchet_trace_id for done in (one, two, three, four)]

        ids = run_async(["one", response(), "three", "four words"], work)
        traces = {trace.id: trace for trace in recorded()}
        assert [(traces[name].output, traces[name].context.tags) for name in ids] == [
            ("one", ()), ("30 days.", ()), ("three", ()), ("four ", ("stopped",))
        ]  # fmt: skip

    def test_an_error_is_the_one_that_was_raised_and_is_recorded(self, loop: Ratchet, recorded: Recorded) -> None:
        async def work(client: Any) -> None:
            with pytest.raises(openai.InternalServerError):
                await wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW)

        run_async([Reply("down", status=500)], work)
        assert [trace.context.tags for trace in recorded()] == [("error",)]

    def test_a_cancelled_call_is_cancelled_and_says_so(self, loop: Ratchet, recorded: Recorded) -> None:
        async def work(client: Any) -> None:
            call = wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0.1)

        run_async([Reply("late", delay_s=5)], work)
        assert [trace.context.tags for trace in recorded()] == [("stopped",)]

    def test_calls_at_the_same_time_are_kept_apart(self, loop: Ratchet, recorded: Recorded) -> None:
        def echo(body: dict[str, Any]) -> str:
            return "re: " + body["messages"][0]["content"]

        async def work(client: Any) -> None:
            create = wrap(loop, client, "support").chat.completions.create

            async def ask(number: int) -> None:
                stream = await create(model="small", messages=[{"role": "user", "content": f"q{number}"}], stream=True)
                async for _ in stream:
                    await asyncio.sleep(0)

            await asyncio.gather(*(ask(number) for number in range(10)))

        run_async([echo] * 10, work)  # type: ignore[list-item]
        assert sorted((trace.input, trace.output) for trace in recorded()) == sorted(
            (f"q{number}", f"re: q{number}") for number in range(10)
        )


class TestTheRestOfTheClient:
    def test_it_is_the_client_to_whoever_asks(self, loop: Ratchet) -> None:
        with served() as client:
            wrapped = wrap(loop, client, "support")
            assert isinstance(wrapped, openai.OpenAI)
            assert (wrapped.api_key, wrapped.base_url) == ("k", client.base_url)
            assert dir(wrapped) == dir(client)
            wrapped.max_retries = 5
            assert client.max_retries == 5
            assert wrapped.chat.completions.create.__doc__ == client.chat.completions.create.__doc__
            assert wrapped.beta is client.beta
            assert wrapped.models is client.models

    def test_the_original_client_is_left_alone(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a") as client:
            wrap(loop, client, "support")
            done = client.chat.completions.create(model="small", messages=HOW)
        assert not hasattr(done, "ratchet_trace_id")
        assert recorded() == []

    def test_raw_and_streamed_responses_pass_by(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a", "b", response()) as client:
            wrapped = wrap(loop, client, "support")
            raw = wrapped.chat.completions.with_raw_response.create(model="small", messages=HOW)
            assert raw.parse().choices[0].message.content == "a"
            with wrapped.chat.completions.with_streaming_response.create(model="small", messages=HOW) as streamed:
                assert streamed.parse().choices[0].message.content == "b"
            assert (
                wrapped.with_raw_response.responses.create(model="small", input="x").parse().output_text == "30 days."
            )
        assert recorded() == []

    def test_a_raw_response_asked_for_by_hand_passes_by(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a") as client:
            raw = wrap(loop, client, "support").chat.completions.create(
                model="small", messages=HOW, extra_headers={"X-Stainless-Raw-Response": "true"}
            )
            assert raw.parse().choices[0].message.content == "a"
        assert recorded() == []

    def test_a_copy_with_options_is_recorded_too(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a", "b") as client:
            wrapped = wrap(loop, client, "support")
            wrapped.with_options(timeout=5).chat.completions.create(model="small", messages=HOW)
            wrapped.copy().chat.completions.create(model="small", messages=HOW)
        assert [trace.output for trace in recorded()] == ["a", "b"]

    def test_wrapping_twice_records_once_and_as_the_last_says(self, loop: Ratchet, recorded: Recorded) -> None:
        with served("a") as client:
            wrap(loop, wrap(loop, client, "small-1"), "support").chat.completions.create(model="small", messages=HOW)
        assert [trace.app for trace in recorded()] == ["support"]

    def test_the_client_can_be_used_in_with(self, loop: Ratchet) -> None:
        with served("a") as client:
            with wrap(loop, client, "support") as wrapped:
                assert hasattr(wrapped.chat.completions.create(model="small", messages=HOW), "ratchet_trace_id")
            assert client.is_closed()

    def test_embeddings_and_models_work(self, loop: Ratchet) -> None:
        with served() as client:
            wrapped = wrap(loop, client, "support")
            assert len(wrapped.embeddings.create(model="e", input="x").data) == 1
            assert [model.id for model in wrapped.models.list()] == ["scripted"]

    def test_parsed_answers_are_recorded(self, loop: Ratchet, recorded: Recorded) -> None:
        pydantic = pytest.importorskip("pydantic")
        kind = pydantic.create_model("Answer", days=(int, ...))
        with served('{"days": 30}') as client:
            done = wrap(loop, client, "support").chat.completions.parse(
                model="small", messages=HOW, response_format=kind
            )
        assert done.choices[0].message.parsed.days == 30
        assert [(trace.id, trace.output) for trace in recorded()] == [(done.ratchet_trace_id, '{"days": 30}')]


class TestBehindRatchetsOwnGateway:
    """It records the request itself and names the trace in its answer."""

    def test_a_completion_carries_the_trace_of_the_gateway_and_is_not_recorded_twice(
        self, loop: Ratchet, recorded: Recorded
    ) -> None:
        body = {
            "id": "tr_1", "object": "chat.completion", "created": 0, "model": "support",
            "ratchet": {"trace_id": "tr_1", "release": 3},
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        }  # fmt: skip
        with served(Reply(body=json.dumps(body).encode())) as client:
            done = wrap(loop, client, "support").chat.completions.create(model="support", messages=HOW)
        assert done.ratchet_trace_id == "tr_1"
        assert recorded() == []

    def test_a_stream_does_too(self, loop: Ratchet, recorded: Recorded) -> None:
        with served(Reply("a", headers={"x-ratchet-trace": "tr_2"})) as client:
            stream = wrap(loop, client, "support").chat.completions.create(model="support", messages=HOW, stream=True)
            assert len(list(stream)) == 3
        assert stream.ratchet_trace_id == "tr_2"
        assert recorded() == []


class TestFailuresToRecord:
    @pytest.mark.parametrize("stream", [False, True])
    def test_a_loop_that_fails_is_logged_and_the_call_goes_on(
        self, stream: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            def record(self, app: str, input: str, output: str, **about: Any) -> str:
                raise OSError("the disk is gone")

        with served("a") as client, caplog.at_level(logging.WARNING):
            done = wrap(Broken(), client, "support").chat.completions.create(model="small", messages=HOW, stream=stream)
            assert (len(list(done)) == 3) if stream else (done.choices[0].message.content == "a")
        assert caplog.text.count("the disk is gone") >= 1

    def test_messages_nobody_understands_are_the_affair_of_the_client(self, loop: Ratchet, recorded: Recorded) -> None:
        message = {"role": "assistant", "content": "a"}
        body = {
            "id": "x", "object": "chat.completion", "created": 0, "model": "small",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }  # fmt: skip
        with served(Reply(body=json.dumps(body).encode())) as client:
            wrap(loop, client, "support").chat.completions.create(model="small", messages=[{"role": 7}, "what", None])
        assert [(trace.input, trace.output) for trace in recorded()] == [("(no input)", "a")]

    def test_an_empty_completion_is_recorded(self, loop: Ratchet, recorded: Recorded) -> None:
        body = {"id": "x", "object": "chat.completion", "created": 0, "model": "small", "choices": []}
        with served(Reply(body=json.dumps(body).encode())) as client:
            assert wrap(loop, client, "support").chat.completions.create(model="small", messages=HOW).choices == []
        assert [trace.output for trace in recorded()] == [""]


@pytest.mark.parametrize(
    ("model", "app"),
    [("gpt-4.1-mini", "gpt-4-1-mini"), ("org/model:v2", "org-model-v2"), ("a" * 200, "a" * 100), ("...", "openai"),
     (None, "openai")],
)  # fmt: skip
def test_a_model_gives_its_name_to_an_app(model: object, app: str) -> None:
    assert app_name(model) == app
