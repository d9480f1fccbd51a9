"""Keeps the last verified release of an app on disk, and answers from it while the service is away."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ratchet.errors import Conflict, RatchetError
from ratchet.layers.layer import Answerer
from ratchet.sdk.kept_bundle import REFUSED, Loaded, Loading, verify
from ratchet.wire.apps import ReleaseContent

if TYPE_CHECKING:
    from ratchet.sdk.kept_bundle import ChooseEmbed

logger = logging.getLogger("ratchet.sdk")


class KeptRelease:
    """The release of one app that was in force when the service was last heard.

    ``file`` is where it is kept (``None``: in memory only). What fails verification is refused, and what was there
    before stays. ``choose`` gives the embedder of a fingerprint, where it is installed, when it is first needed.
    """

    def __init__(self, app: str, file: Path | None, choose: ChooseEmbed) -> None:
        self._app = app
        self._file = file
        self._choose = choose
        self._lock = threading.Lock()
        self._loading: Loading | None = None
        self._content: ReleaseContent | None = None
        self._opened = threading.Event()
        if file is not None and file.exists():
            # On a thread of its own: reading and verifying much knowledge takes a while.
            threading.Thread(target=self._open, args=(file,), name="ratchet-open", daemon=True).start()
        else:
            self._opened.set()

    @property
    def revision(self) -> str:
        """The revision that is kept; empty when there is none."""
        self._opened.wait()
        return self._content.revision if self._content else ""

    @property
    def content(self) -> ReleaseContent | None:
        """All of what is kept, as far as it is read yet."""
        return self._content

    def take(self, content: ReleaseContent) -> bool:
        """Keep this from now on, if it is what it says it is; requests under way finish on what was there before."""
        try:
            verify(self._app, content)
        except RatchetError as error:
            logger.error("The release of %s that the service sent is refused. %s", self._app, error)
            return False
        with self._lock:
            self._content, self._loading = content, None
        self._write(content)
        return True

    def load(self, base: Answerer, question: str, wait_s: float) -> Loaded | None:
        """The release above ``base`` for one question; ``None`` when nothing is kept.

        It is loaded on a thread of its own at the first need. Who cannot wait so long, ``wait_s`` seconds at most, gets
        its prompt and its reviewed answers.
        """
        until = time.monotonic() + wait_s
        self._opened.wait(max(0.0, wait_s))
        with self._lock:
            if self._content is None:
                return None
            loading = self._loading = self._loading or Loading(self._content, self._choose)
        loaded = loading.wait(question, until - time.monotonic())
        return replace(loaded, bundle=replace(loaded.bundle, base=base))

    def _open(self, file: Path) -> None:
        try:
            content = _read(file)
            verify(self._app, content)
            with self._lock:
                self._content = self._content or content
        except (OSError, ValueError, RatchetError) as error:
            logger.error("The kept release of %s is refused. %s", self._app, error)
        finally:
            self._opened.set()

    def _write(self, content: ReleaseContent) -> None:
        if self._file is None:
            return
        body = msgspec.json.encode(content)
        try:
            _replace(self._file, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        except OSError as error:
            logger.warning("The release of %s is kept in memory only: %s.", self._app, error)


def file_of(folder: Path, app: str) -> Path:
    """Where the release of an app is kept; names of apps may be longer than names of files."""
    return folder / f"{hashlib.sha256(app.encode()).hexdigest()[:32]}.release"


def _read(file: Path) -> ReleaseContent:
    checksum, _, body = file.read_bytes().partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        raise Conflict(f"{file} is not as it was written.", REFUSED)
    return msgspec.json.decode(body, type=ReleaseContent)


def _replace(file: Path, body: bytes) -> None:
    """All of it or nothing, and on disk when this returns."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
