"""Writes the project that a newcomer starts from, and never over anything that exists."""

from __future__ import annotations

from pathlib import Path

from ratchet.errors import Conflict, InvalidInput

FILES = Path(__file__).with_name("starter")
NAMES = {"gitignore.txt": ".gitignore"}  # under its real name it would rule over this repository too


def starter_files() -> dict[Path, str]:
    """The text of every file of the project, by its path in it."""
    found = {path.relative_to(FILES): path for path in sorted(FILES.rglob("*")) if path.is_file()}
    return {Path(NAMES.get(name.as_posix(), name)): path.read_text(encoding="utf-8") for name, path in found.items()}


def write_project(folder: Path) -> list[Path]:
    """Write all of them into ``folder``, which is made if need be; their paths in it.

    Raises ``Conflict`` that names the files that are there already, and ``InvalidInput`` where the folder cannot be
    written; either way no file is left behind.
    """
    files = starter_files()
    there = [name.as_posix() for name in sorted(files) if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise Conflict(
            f"{folder.resolve()} has {', '.join(there)} already, and nothing is overwritten.",
            "Move them away, or make the project in another folder: `ratchet init my-project`.",
        )
    written: list[Path] = []
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8") as file:
                written.append(folder / name)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise InvalidInput(
            f"The project cannot be written into {folder}: {error.strerror}.", "Name a folder that you may write."
        ) from None
    return list(files)
