"""``ratchet init``: makes a working project in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.console import console

ASK = """\
  from openai import OpenAI

  client = OpenAI(base_url="http://127.0.0.1:8400/v1", api_key="not-needed-here")
  messages = [{"role": "user", "content": "Can I return it after 30 days?"}]
  print(client.chat.completions.create(model="support", messages=messages).choices[0].message.content)"""


def init(
    folder: Annotated[Path, typer.Argument(help="Where to make it; made if it is not there.")] = Path(),
) -> None:
    """Make a project that works at once: ratchet.toml, a prompt, a little knowledge and one offline app.

    Nothing that exists is overwritten: exit code 2, naming the files, and nothing is written.
    """
    from ratchet.project.starter import write_project

    made = write_project(folder)
    console.print(f"Made in {folder.resolve()}:", markup=False)
    for path in sorted(made):
        console.print(f"  {path.as_posix()}", markup=False)
    console.print("\nNext:", style="bold")
    if folder.resolve() != Path().resolve():
        console.print(f"  cd {folder}", markup=False)
    console.print("  ratchet serve", markup=False)
    console.print("\nThen ask from a second terminal (pip install openai):", style="bold")
    console.print(ASK, markup=False, soft_wrap=True)
    console.print("\n`ratchet doctor` says what is wrong whenever something does not work.", markup=False)
