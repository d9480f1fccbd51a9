"""Calls on threads of their own, for callers who wait only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ratchet.sdk.aside import Aside


@pytest.fixture
def aside() -> Iterator[Aside]:
    made = Aside(threads=2)
    yield made
    made.close()


def test_gives_what_the_work_gives_or_its_error(aside: Aside) -> None:
    assert [aside.run(lambda n=n: n * 2, 5.0) for n in range(50)] == [n * 2 for n in range(50)]  # type: ignore[misc]
    error = LookupError("mine")

    def failing() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        aside.run(failing, 5.0)
    assert caught.value is error
    assert aside.run(lambda: "still works", 5.0) == "still works"


def test_nobody_waits_longer_than_they_chose_to(aside: Aside) -> None:
    hang = threading.Event()
    ran: list[int] = []
    for _ in range(2):
        began = time.perf_counter()
        with pytest.raises(TimeoutError):
            aside.run(hang.wait, 0.05)
        assert time.perf_counter() - began < 1.0
    with pytest.raises(TimeoutError):
        aside.run(lambda: ran.append(1), 0.05)  # both threads hang
    hang.set()
    assert aside.run(lambda: "free again", 5.0) == "free again"
    assert ran == [], "what nobody waits for any longer is not begun"


def test_no_more_threads_than_it_may_have() -> None:
    aside, names = Aside(threads=3), set[str]()
    together = [
        threading.Thread(target=aside.run, args=(lambda: names.add(str(threading.get_ident())), 5.0)) for _ in range(20)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert 1 <= len(names) <= 3
    aside.close()
    assert aside.run(lambda: 7, 5.0) == 7
    aside.close()
