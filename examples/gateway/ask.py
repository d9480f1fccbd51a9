"""The stock OpenAI client before Ratchet's gateway: ask, complain, have it reviewed, and ask again."""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.request import Request, urlopen

from openai import OpenAI

URL = os.environ.get("RATCHET_URL", "http://127.0.0.1:8400")
KEY = os.environ.get("RATCHET_API_KEY", "not-needed-here")
QUESTION = "Can I return it after 30 days?"
SIMILAR = "Could I return it after 30 days or so?"
RIGHT = "Yes: since May you have 60 days."

client = OpenAI(base_url=f"{URL}/v1", api_key=KEY)


def ask(who: str, question: str) -> Any:
    """Nothing here knows of Ratchet, but that `model` is the name of an app."""
    messages: Any = [{"role": "user", "content": question}]
    answer = client.chat.completions.create(model="support", messages=messages, user=who)
    print(f"{who + ' asks:':13}{question}")
    print(f"{'support:':13}{answer.choices[0].message.content}")
    return answer


def stream(who: str, question: str) -> None:
    """The same, word by word."""
    messages: Any = [{"role": "user", "content": question}]
    print(f"{who + ' asks:':13}{question}\n{'support:':13}", end="")
    for chunk in client.chat.completions.create(model="support", messages=messages, user=who, stream=True):
        print(chunk.choices[0].delta.content or "", end="")
    print()


def post(path: str, body: dict[str, Any]) -> Any:
    """What OpenAI's API has no word for: feedback and review."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    with urlopen(Request(URL + path, json.dumps(body).encode(), headers), timeout=60) as response:
        return json.load(response)


def release() -> int:
    """The release in force."""
    with urlopen(Request(f"{URL}/v1/apps/support", headers={"Authorization": f"Bearer {KEY}"}), timeout=60) as response:
        return int(json.load(response)["release"])


def main() -> None:
    """Play it once."""
    answer = ask("kim", QUESTION)
    before = release()
    if answer.choices[0].message.content == RIGHT:
        print("This was reviewed in an earlier run. Stop the service and delete ratchet.db to begin anew.")
        return

    # Whoever holds the token may rate this one answer, such as the reader's browser.
    about = answer.ratchet
    told = post("/v1/feedback", {"token": about["feedback_token"], "thumb": "down", "comment": "The rule changed."})
    print(f"{'kim:':13}thumb down")

    # A reviewer does this in an application of yours, or with `ratchet review`.
    post(f"/v1/cases/{told['review_id']}/verdict", {"reviewer": "Ines", "erred": True, "answer": RIGHT})
    print(f"{'Ines:':13}{RIGHT}")
    while release() == before:  # the service learns by itself, within seconds
        time.sleep(0.1)
    print(f"{'':13}release {release()} is live")

    ask("lee", QUESTION)
    stream("ada", SIMILAR)


if __name__ == "__main__":
    main()
