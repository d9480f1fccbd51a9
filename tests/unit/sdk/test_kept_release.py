"""A release is kept on disk, verified, and answers with the embedder it was made with or with words alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ratchet import Conflict
from ratchet.interfaces import Vector
from ratchet.layers.layer import Bundle, Request, answer
from ratchet.providers.answerers import OwnFunction
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from ratchet.sdk.kept_bundle import Embed, Loaded, Loading, verify
from ratchet.sdk.kept_release import KeptRelease, file_of
from ratchet.wire.apps import ReleaseContent
from ratchet.wiring import House
from tests.conftest import correct
from tests.unit.sdk.conftest import echo, eventually

QUESTION = "Can I return my bike after six weeks?"
RIGHT = "Yes, within 60 days."
BASE = OwnFunction("echo", echo)


def lexical(fingerprint: str) -> Embed | None:
    return LexicalEmbedder().embed if fingerprint == LexicalEmbedder.fingerprint else None


@pytest.fixture
def content(house: House, support: App) -> ReleaseContent:
    """Release 1 of an app with two lessons."""
    correct(house, support, QUESTION, answer=RIGHT)
    correct(house, support, "How do I reset it?", answer="On the sign-in page, below the button.")
    report = house.loop.turn("support", now=True)
    assert report.release is not None, report.summary()
    release = report.release
    return ReleaseContent(
        app=house.store.apps.get("support"), number=1, id=release.id, manifest=release.manifest.to_json(),
        revision="r1", lessons=house.store.lessons.bank("support", release.bank_version),
        passages=house.store.knowledge.passages("support", 1),
    )  # fmt: skip


def altered(content: ReleaseContent, **fields: object) -> ReleaseContent:
    return msgspec.structs.replace(content, **fields)


class TestVerifying:
    def test_what_was_released_passes(self, content: ReleaseContent) -> None:
        verify("support", content)
        verify("support", altered(content, number=0, id="", manifest="", lessons=[]))

    @pytest.mark.parametrize(
        "alter",
        [
            lambda content: {"manifest": content.manifest.replace("support", "suppose")},
            lambda content: {"manifest": "{}"},
            lambda content: {"manifest": ""},
            lambda content: {"id": "0" * 64},
            lambda content: {"number": 2},
            lambda content: {"lessons": [_changed(content.lessons[0]), *content.lessons[1:]]},
            lambda content: {"lessons": [*content.lessons, _changed(content.lessons[0])]},
            lambda content: {"passages": content.passages[1:]},
        ],
        ids=["manifest", "no manifest", "empty manifest", "id", "number", "a lesson", "one lesson more", "passages"],
    )  # fmt: skip
    def test_what_was_altered_does_not(
        self, content: ReleaseContent, alter: Callable[[ReleaseContent], dict[str, object]]
    ) -> None:
        with pytest.raises(Conflict):
            verify("support", altered(content, **alter(content)))

    def test_a_release_of_another_app_does_not(self, content: ReleaseContent) -> None:
        with pytest.raises(Conflict, match="of the app 'support'"):
            verify("triage", content)

    def test_one_whose_lesson_was_revoked_since_passes_without_it(self, content: ReleaseContent) -> None:
        verify("support", altered(content, lessons=content.lessons[1:]))


def _changed(lesson: Lesson) -> Lesson:
    return replace(lesson, id="ls_other", answer="No, never.")


class TestKeeping:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return file_of(tmp_path / "kept", "support")

    def test_a_later_program_has_it(self, content: ReleaseContent, file: Path) -> None:
        kept = KeptRelease("support", file, lexical)
        assert (kept.revision, kept.load(BASE, QUESTION, 5.0)) == ("", None)
        assert kept.take(content)
        again = KeptRelease("support", file, lexical)
        assert again.revision == "r1"
        assert again.content == content
        assert [path.name for path in file.parent.iterdir()] == [file.name], "nothing half written stays behind"
        assert file.parent.stat().st_mode & 0o077 == 0, "only its owner may read what users were told"

    def test_what_is_refused_leaves_the_last_one_in_force(
        self, content: ReleaseContent, file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept = KeptRelease("support", file, lexical)
        kept.take(content)
        before = file.read_bytes()
        assert not kept.take(altered(content, revision="r2", id="0" * 64))
        assert (kept.revision, file.read_bytes()) == ("r1", before)
        assert "The release of support that the service sent is refused" in caplog.text

    @pytest.mark.parametrize(
        "spoil", [lambda body: body[:-10], lambda body: body.replace(b"60", b"90"), lambda body: b""]
    )
    def test_a_file_that_is_not_as_it_was_written_is_refused(
        self, content: ReleaseContent, file: Path, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        KeptRelease("support", file, lexical).take(content)
        file.write_bytes(spoil(file.read_bytes()))
        kept = KeptRelease("support", file, lexical)
        assert (kept.revision, kept.content) == ("", None)
        assert "is not as it was written" in caplog.text
        assert kept.take(content)
        assert KeptRelease("support", file, lexical).revision == "r1"

    def test_in_memory_alone_where_nothing_can_be_written(
        self, content: ReleaseContent, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "kept").write_text("a file")
        kept = KeptRelease("support", file_of(tmp_path / "kept", "support"), lexical)
        with caplog.at_level(logging.WARNING):
            assert kept.take(content)
        assert kept.revision == "r1"
        assert "kept in memory only" in caplog.text


class TestAnswering:
    def asked(self, kept: KeptRelease, question: str) -> tuple[str, str, int]:
        loaded = kept.load(BASE, question, 5.0)
        assert loaded is not None
        given, _ = answer(loaded.bundle, Request(loaded.bundle.app, question, loaded.vector))
        return given.text, given.source, loaded.bundle.number

    def test_is_as_the_service_would(self, content: ReleaseContent, house: House, support: App) -> None:
        kept = KeptRelease("support", None, lexical)
        kept.take(content)
        for question in (QUESTION, "can I return my bike after six weeks", "When is a parcel there?", "How?"):
            loaded = kept.load(BASE, question, 5.0)
            assert loaded is not None
            assert loaded.is_whole
            here, known = answer(*_asking(loaded, question))
            served = house.bundles.active(support)
            vector = house.outside.vectors.embed([question])[0]
            there, expected = answer(
                Bundle(served.app, served.number, BASE, served.layers), Request(support, question, vector)
            )
            assert (here, known) == (there, expected)

    def test_with_another_embedder_only_exactly_reviewed_questions_are_taken_as_such(
        self, content: ReleaseContent
    ) -> None:
        kept = KeptRelease("support", None, lambda fingerprint: None)
        kept.take(altered(content, app=replace(content.app, embedder="another")))
        near = QUESTION.replace("six weeks?", "six weeks, six weeks?")
        assert self.asked(kept, QUESTION.lower()) == (RIGHT, "reviewed", 1)
        assert self.asked(kept, near) == (f"own: {near}", "base", 1)
        loaded = kept.load(BASE, near, 5.0)
        assert loaded is not None
        assert not loaded.is_whole
        _, known = answer(*_asking(loaded, near))
        assert known.passages, "passages are found by words all the same"

    def test_who_cannot_wait_gets_the_reviewed_answers_alone(self, content: ReleaseContent) -> None:
        waiting: list[str] = []

        def slow(fingerprint: str) -> Embed | None:
            eventually(lambda: waiting)
            return LexicalEmbedder().embed

        kept = KeptRelease("support", None, slow)
        kept.take(content)
        loaded = kept.load(BASE, QUESTION, 0.0)
        assert loaded is not None
        given, known = answer(*_asking(loaded, QUESTION))
        assert (given.text, given.source, known.passages) == (RIGHT, "reviewed", ())
        waiting.append("go on")
        eventually(lambda: answer(*_request(kept, "When is a parcel there?"))[1].passages)

    def test_an_embedder_that_fails_takes_nothing_else_along(
        self, content: ReleaseContent, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(texts: Sequence[str]) -> Vector:
            raise MemoryError

        loading = Loading(content, lambda fingerprint: broken)
        given, _ = answer(*_asking(loading.wait(QUESTION, 5.0), QUESTION))
        assert given.text == RIGHT
        assert "cannot be loaded" in caplog.text


def _asking(loaded: Loaded, question: str) -> tuple[Bundle, Request]:
    return loaded.bundle, Request(loaded.bundle.app, question, loaded.vector)


def _request(kept: KeptRelease, question: str) -> tuple[Bundle, Request]:
    loaded = kept.load(BASE, question, 5.0)
    assert loaded is not None
    return _asking(loaded, question)
