"""Records the calls of a function as traces, and changes nothing else about it."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar, cast

logger = logging.getLogger("ratchet.sdk")
LONGEST_TEXT = 100_000
FAILED = "error"
STOPPED = "stopped"
NO_INPUT = "(no input)"  # a trace needs a visible character
NOTHING: Mapping[str, object] = {}

F = TypeVar("F", bound=Callable[..., Any])
_current: ContextVar[str] = ContextVar("ratchet_trace_id", default="")


class Recording(Protocol):
    """What records an observed call; ``Ratchet`` is one."""

    def record(self, app: str, input: str, output: str, **about: Any) -> str:
        """Have it stored, soon; the trace's id. Never raises."""
        ...


def current_trace_id() -> str:
    """The id of the trace that the code is running in, to give feedback on; empty outside of observed functions."""
    return _current.get()


def new_trace_id() -> str:
    """An id that nobody can guess."""
    return f"tr_{secrets.token_hex(12)}"


def text_of(value: object) -> str:
    """``value`` as text: text as it is, dicts and lists as JSON, the rest by ``str``. Never raises."""
    try:
        if isinstance(value, bytes | bytearray):
            return bytes(value[:LONGEST_TEXT]).decode(errors="replace")
        if isinstance(value, dict | list | tuple):
            return json.dumps(value, ensure_ascii=False, default=text_of)[:LONGEST_TEXT]
        return ("" if value is None else str(value))[:LONGEST_TEXT]
    except Exception:
        return f"<{type(value).__name__}>"


def visible(text: str) -> str:
    """``text``, or where there is nothing to see in it, words that say so."""
    return text if text.strip() else NO_INPUT


def observe(
    loop: Recording,
    app: str,
    *,
    input: Callable[..., object] | None = None,
    output: Callable[[Any], object] | None = None,
    context: Callable[..., Mapping[str, object]] | None = None,
) -> Callable[[F], F]:
    """A decorator that records each call as a trace of ``app``, for functions, generators and their async kinds.

    The input is the first argument (``self`` and ``cls`` aside), or what ``input`` makes of the arguments; the output
    is the result, or what ``output`` makes of it. A generator's output is all it yielded, as one text; ``output``
    receives it as a list. ``context`` makes ``user``, ``session``, ``role``, ``segment`` and the like of the arguments.
    Values become text: text as it is, dicts and lists as JSON, the rest by ``str``.

    Errors of the function pass through unchanged, and the trace then holds what was yielded before (nothing, for a
    function) and the tag ``error``; a call that was cancelled, or a generator that was not read to its end, has the tag
    ``stopped``. Failures to record are logged and never reach the caller. Inside the call, and only there,
    ``current_trace_id()`` is the trace's id.
    """

    def decorate(function: F) -> F:
        reading = _Reading(_first_parameter(function), input, output, context)

        def start(args: tuple[Any, ...], named: dict[str, Any]) -> _Call:
            return _Call(loop, app, reading, args, named)

        return cast(F, functools.wraps(function)(_of_the_same_kind(function, start)))

    return decorate


def _of_the_same_kind(
    function: Callable[..., Any], start: Callable[[tuple[Any, ...], dict[str, Any]], _Call]
) -> Callable[..., Any]:
    # Frameworks look at what kind of function it is: a generator function stays one, and so on.
    if inspect.isasyncgenfunction(function):
        return _async_generator_function(lambda *args, **named: (start(args, named), function(*args, **named)))

    if inspect.isgeneratorfunction(function):

        def generator(*args: Any, **named: Any) -> Any:
            return (yield from _generator(start(args, named), function(*args, **named)))

        return generator

    if inspect.iscoroutinefunction(function):

        async def coroutine(*args: Any, **named: Any) -> Any:
            return await _coroutine(start(args, named), function(*args, **named))

        return coroutine

    def plain(*args: Any, **named: Any) -> Any:
        call = start(args, named)
        try:
            with call.inside:
                result = function(*args, **named)
        except BaseException as error:
            call.end(error)
            raise
        return _followed(call, result)

    return plain


def _followed(call: _Call, result: Any) -> Any:
    """The result of a plain function; where the work only begins with it, the call ends with that work."""
    if inspect.isgenerator(result):
        return _generator(call, result)
    if inspect.iscoroutine(result):
        return _coroutine(call, result)
    if inspect.isasyncgen(result):
        return _async_generator_function(lambda: (call, result))()
    call.returned(result)
    call.end()
    return result


async def _coroutine(call: _Call, inner: Coroutine[Any, Any, Any]) -> Any:
    with call:
        with call.inside:
            result = await inner
        call.returned(result)
    return result


def _generator(call: _Call, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    step: Callable[[], Any] = functools.partial(next, inner)
    with call:
        while True:
            try:
                with call.inside:
                    item = step()
            except StopIteration as stop:
                return stop.value
            call.yielded(item)
            try:
                step = functools.partial(inner.send, (yield item))
            except GeneratorExit:
                with call.inside:
                    inner.close()
                raise
            except BaseException as error:
                step = functools.partial(inner.throw, error)


def _async_generator_function(
    begin: Callable[..., tuple[_Call, AsyncGenerator[Any, Any]]],
) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def async_generator(*args: Any, **named: Any) -> AsyncGenerator[Any, Any]:
        call, inner = begin(*args, **named)
        step: Callable[[], Any] = inner.__anext__
        with call:
            while True:
                try:
                    with call.inside:
                        item = await step()
                except StopAsyncIteration:
                    return
                call.yielded(item)
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    with call.inside:
                        await inner.aclose()
                    raise
                except BaseException as error:
                    step = functools.partial(inner.athrow, error)

    return async_generator


class _Reading:
    """How input, output and context are read from a call."""

    def __init__(
        self,
        first: tuple[int, str],
        input: Callable[..., object] | None,
        output: Callable[[Any], object] | None,
        context: Callable[..., Mapping[str, object]] | None,
    ) -> None:
        self._place, self._name = first
        self._input = input
        self.output = output
        self._context = context

    def input(self, args: tuple[Any, ...], named: dict[str, Any]) -> str:
        """What was asked."""
        if self._input is not None:
            return text_of(self._input(*args, **named))
        if len(args) > self._place:
            return text_of(args[self._place])
        return text_of(named.get(self._name, next(iter(named.values()), "")))

    def context(self, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, object]:
        """Who asked."""
        return {} if self._context is None else dict(self._context(*args, **named))


def _first_parameter(function: Callable[..., Any]) -> tuple[int, str]:
    """Where the first argument is that says something, and its name."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    place = int(bool(names) and names[0] in ("self", "cls"))
    return place, names[place] if len(names) > place else ""


class _Inside:
    """While code of the function runs, ``current_trace_id()`` is its trace."""

    def __init__(self, trace_id: str) -> None:
        self._trace_id = trace_id
        self._before = ""

    def __enter__(self) -> None:
        self._before = _current.get()
        _current.set(self._trace_id)

    def __exit__(self, *error: object) -> None:
        # Not by token: the end of an async generator may run in another context than its beginning.
        _current.set(self._before)


class _Call:
    """One call: recorded once, when it ends. Nothing here raises."""

    def __init__(
        self, loop: Recording, app: str, reading: _Reading, args: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        self.trace_id = new_trace_id()
        self.inside = _Inside(self.trace_id)
        self._loop = loop
        self._app = app
        self._reading = reading
        self._output: Any = NOTHING
        self._yielded: list[Any] | None = None
        self._length = 0
        # Now, because the function may change its arguments.
        self._input = visible(tried(lambda: reading.input(args, named), ""))
        self._context = tried(lambda: reading.context(args, named), NOTHING)
        self._started = time.perf_counter()

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.end(error)

    def returned(self, result: Any) -> None:
        """The function is done."""
        self._output = result

    def yielded(self, item: Any) -> None:
        """The generator gave an item."""
        if self._yielded is None:
            self._yielded = []
        if self._reading.output is not None:
            self._yielded.append(item)
        elif self._length < LONGEST_TEXT:
            text = item if isinstance(item, str) else ("\n" if self._yielded else "") + text_of(item)
            self._length += len(text)
            self._yielded.append(text)

    def end(self, error: BaseException | None = None) -> None:
        """Record it."""
        latency_ms = (time.perf_counter() - self._started) * 1000
        tags = [] if error is None else [FAILED if isinstance(error, Exception) else STOPPED]
        output = tried(self._output_text, "")
        about = {"tags": tags, **self._context, "trace_id": self.trace_id, "latency_ms": latency_ms}
        tried(lambda: self._loop.record(self._app, self._input, output, **about), "")

    def _output_text(self) -> str:
        result = self._output if self._yielded is None else self._yielded
        if result is NOTHING:
            return ""
        if self._reading.output is not None:
            return text_of(self._reading.output(result))
        return text_of(result) if self._yielded is None else "".join(self._yielded)[:LONGEST_TEXT]


T = TypeVar("T")


def tried(action: Callable[[], T], otherwise: T) -> T:
    """What ``action`` returns; where it fails, the failure is logged and it is ``otherwise``."""
    try:
        return action()
    except Exception:
        logger.warning("A call is recorded in part, or not at all.", exc_info=True)
        return otherwise
