"""One tree of errors; each says what was wrong and how to fix it."""

from __future__ import annotations

import inspect
import pickle

import pytest

import ratchet
from ratchet import errors
from ratchet.errors import ProviderError, RatchetError

TREE = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, RatchetError)]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_an_error_says_what_was_wrong_and_how_to_fix_it(kind: type[RatchetError]) -> None:
    error = kind("It broke.", "Mend it.")
    assert (error.what, error.fix, str(error)) == ("It broke.", "Mend it.", "It broke. Mend it.")
    with pytest.raises(RatchetError):
        raise error


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_is_public_and_in_the_page_of_the_tree(kind: type[RatchetError]) -> None:
    assert getattr(ratchet, kind.__name__) is kind
    assert kind.__name__ in str(errors.__doc__)
    assert kind.__name__ in ratchet.__all__


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_an_error_crosses_processes_unchanged(kind: type[RatchetError]) -> None:
    again = pickle.loads(pickle.dumps(kind("It broke.", "Mend it.")))
    assert type(again) is kind
    assert (again.what, again.fix, str(again)) == ("It broke.", "Mend it.", "It broke. Mend it.")


def test_a_provider_error_crosses_processes_with_its_status() -> None:
    again = pickle.loads(pickle.dumps(ProviderError("a", "b", retryable=True, status=429)))
    assert (again.retryable, again.status) == (True, 429)


def test_a_provider_error_says_whether_to_try_again() -> None:
    assert not ProviderError("a", "b").retryable
    assert ProviderError("a", "b").status is None
    busy = ProviderError("a", "b", retryable=True, status=429)
    assert (busy.retryable, busy.status) == (True, 429)
