"""An OpenAI client whose calls are recorded as traces, and which otherwise is the client it was."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

from ratchet.sdk.observe import FAILED, STOPPED, Recording, new_trace_id, tried, visible
from ratchet.sdk.openai_shapes import Answered, Asked, Chat, Responses, app_name, context_of, get

__all__ = ["wrap"]

C = TypeVar("C")
Change = Callable[[Any], Any]
GATEWAY_TRACE = "x-ratchet-trace"


class _Shape(Protocol):
    def asked(self, request: Mapping[str, Any]) -> Asked: ...
    def result(self, answered: Answered, result: Any) -> bool: ...
    def piece(self, answered: Answered, chunk: Any) -> None: ...


def wrap(loop: Recording, client: C, app: str | None = None) -> C:
    """The client, with each ``chat.completions.create`` and ``responses.create`` (and ``parse``) recorded.

    It works for ``OpenAI``, ``AsyncOpenAI`` and clients shaped like them, whole answers and streams. What such a call
    returns has ``ratchet_trace_id``, to give feedback on. Traces belong to ``app``, or else to an app named after the
    model. ``user`` and ``metadata`` (``session``, ``role``, ``segment``, ``task_type``, ``environment``) become the
    trace's context. A call that fails is recorded with the tag ``error``, a stream that is not read to its end with
    ``stopped``. Everything else of the client, raw responses and ``beta`` too, works as before and is not recorded, and
    neither are calls made on ``client`` itself. Errors pass unchanged; failures to record are logged.
    """
    if isinstance(client, _Proxy):  # wrapped before: recording twice helps nobody
        client = client._ratchet_target
    chat = functools.partial(_Method, loop, app, Chat())
    responses = functools.partial(_Method, loop, app, Responses())

    def again(copy: Callable[..., C]) -> Callable[..., C]:
        return functools.wraps(copy)(lambda *args, **named: wrap(loop, copy(*args, **named), app))

    changes: dict[str, Change] = {
        "chat": lambda chats: _Proxy(
            chats, {"completions": lambda target: _Proxy(target, {"create": chat, "parse": chat})}
        ),
        "responses": lambda target: _Proxy(target, {"create": responses, "parse": responses}),
        "copy": again,
        "with_options": again,
    }
    return cast(C, _Proxy(client, changes))


class _Proxy:
    """Stands for ``target``: everything is the target's, but for the attributes that ``changes`` make anew."""

    __slots__ = ("_ratchet_changes", "_ratchet_target")

    _ratchet_target: Any
    _ratchet_changes: Mapping[str, Change]

    def __init__(self, target: Any, changes: Mapping[str, Change]) -> None:
        object.__setattr__(self, "_ratchet_target", target)
        object.__setattr__(self, "_ratchet_changes", changes)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ratchet_target, name)
        change = self._ratchet_changes.get(name)
        return found if change is None else change(found)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._ratchet_target, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._ratchet_target, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._ratchet_target)  # so that ``isinstance`` sees the client

    def __dir__(self) -> list[str]:
        return dir(self._ratchet_target)

    def __repr__(self) -> str:
        return repr(self._ratchet_target)

    def __enter__(self) -> Any:
        self._ratchet_target.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._ratchet_target.__exit__(*error)

    async def __aenter__(self) -> Any:
        await self._ratchet_target.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._ratchet_target.__aexit__(*error)


class _Method:
    """A method that makes a request, with its calls recorded; its attributes are the method's."""

    def __init__(self, loop: Recording, app: str | None, shape: _Shape, method: Callable[..., Any]) -> None:
        functools.update_wrapper(self, method)
        self._begin = functools.partial(_Call, loop, app, shape)
        self._method = method

    def __call__(self, *args: Any, **named: Any) -> Any:
        for name in ("messages", "input"):
            if hasattr(named.get(name), "__next__"):  # it can be read once only, so both get a list
                named[name] = list(named[name])
        call = self._begin(named)
        try:
            result = self._method(*args, **named)
        except BaseException as error:
            call.end(error)
            raise
        return _awaited(call, result) if inspect.isawaitable(result) else call.carried(result)


async def _awaited(call: _Call, result: Awaitable[Any]) -> Any:
    try:
        found = await result
    except BaseException as error:
        call.end(error)
        raise
    return call.carried(found)


class _Call:
    """One request and its answer: recorded once, when it ends. Nothing here raises."""

    def __init__(self, loop: Recording, app: str | None, shape: _Shape, request: Mapping[str, Any]) -> None:
        self.trace_id = new_trace_id()
        self._loop = loop
        self._shape = shape
        self._app = app or app_name(request.get("model"))
        self._model = request.get("model")
        self._ended = False
        self._readable = True
        self._answered = Answered()
        # Now, because the caller may go on with the same list of messages.
        self._asked = tried(lambda: shape.asked(request), Asked())
        self._context: dict[str, str] = tried(lambda: context_of(request), {})
        self._started = time.perf_counter()

    def carried(self, result: Any) -> Any:
        """The result with the trace's id on it: a stream is recorded at its end, anything else now."""
        if hasattr(result, "__next__"):
            tried(lambda: self._defer_to_gateway(get(get(result, "response"), "headers")), None)
            return _Stream(result, self)
        if hasattr(result, "__anext__"):
            tried(lambda: self._defer_to_gateway(get(get(result, "response"), "headers")), None)
            return _AsyncStream(result, self)
        tried(lambda: self._record_whole(result), None)
        return result

    def saw(self, piece: Any) -> None:
        """A piece of the stream passed."""
        if self._readable:
            self._readable = tried(lambda: self._read(piece), False)

    def _read(self, piece: Any) -> bool:
        self._shape.piece(self._answered, piece)
        return True

    def exhausted(self) -> None:
        """The stream came to its end."""
        self._answered.whole = True
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """Record the call, unless that is done."""
        if not self._ended:
            self._ended = True
            tried(lambda: self._record(error), "")

    def _record_whole(self, result: Any) -> None:
        if not self._shape.result(self._answered, result):  # a raw response: none of ours
            return
        gateway = get(get(result, "ratchet"), "trace_id")
        self._defer_to_gateway({GATEWAY_TRACE: gateway} if gateway else None)
        self.end()
        # Past the model's own rules, so that it is no part of what the model is dumped to.
        object.__setattr__(result, "ratchet_trace_id", self.trace_id)

    def _defer_to_gateway(self, headers: Any) -> None:
        """Where Ratchet's own gateway answered, the trace is there already."""
        found = get(headers, GATEWAY_TRACE)
        if isinstance(found, str) and found:
            self.trace_id, self._ended = found, True

    def _record(self, error: BaseException | None) -> str:
        answered = self._answered
        tags = []
        if answered.failed or isinstance(error, Exception):
            tags = [FAILED]
        elif error is not None or not answered.whole:
            tags = [STOPPED]
        return self._loop.record(
            self._app, visible(self._asked.input), answered.text, trace_id=self.trace_id, tags=tags,
            latency_ms=(time.perf_counter() - self._started) * 1000,
            model=answered.model or (self._model if isinstance(self._model, str) else ""),
            input_tokens=answered.input_tokens, output_tokens=answered.output_tokens, history=self._asked.history,
            **self._context,
        )  # fmt: skip


class _Watched(_Proxy):
    """A stream whose pieces are read along; the call ends with it, or when nobody holds it any longer."""

    __slots__ = ("_ratchet_call",)

    _ratchet_call: _Call

    def __init__(self, target: Any, call: _Call) -> None:
        super().__init__(target, {})
        object.__setattr__(self, "_ratchet_call", call)

    @property
    def ratchet_trace_id(self) -> str:
        """The id of the trace, to give feedback on."""
        return self._ratchet_call.trace_id

    def __del__(self) -> None:
        call = getattr(self, "_ratchet_call", None)
        if call is not None:
            call.end()


class _Stream(_Watched):
    __slots__ = ()

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        try:
            piece = next(self._ratchet_target)
        except StopIteration:
            self._ratchet_call.exhausted()
            raise
        except BaseException as error:
            self._ratchet_call.end(error)
            raise
        self._ratchet_call.saw(piece)
        return piece

    def __exit__(self, *error: Any) -> Any:
        try:
            return super().__exit__(*error)
        finally:
            self._ratchet_call.end()

    def close(self) -> Any:
        try:
            return self._ratchet_target.close()
        finally:
            self._ratchet_call.end()


class _AsyncStream(_Watched):
    __slots__ = ()

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            piece = await anext(self._ratchet_target)
        except StopAsyncIteration:
            self._ratchet_call.exhausted()
            raise
        except BaseException as error:
            self._ratchet_call.end(error)
            raise
        self._ratchet_call.saw(piece)
        return piece

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await super().__aexit__(*error)
        finally:
            self._ratchet_call.end()

    async def close(self) -> Any:
        try:
            return await self._ratchet_target.close()
        finally:
            self._ratchet_call.end()

    async def aclose(self) -> Any:
        await self.close()
