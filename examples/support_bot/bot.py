"""A support bot around a function of your own: corrected once, it answers right from then on."""

from __future__ import annotations

import re
from pathlib import Path

from ratchet import Ratchet
from ratchet.layers.layer import Learned

HERE = Path(__file__).parent
QUESTION = "Can I return my bicycle after six weeks?"
RIGHT = "Yes: since May you have 60 days."

# A file in this folder, or the service at RATCHET_URL. Nothing else in this program depends on which. It is patient
# with the service, so that what it prints does not depend on how busy the machine is.
loop = Ratchet(learned_timeout_s=10.0)


@loop.app("support-bot", knowledge=HERE / "knowledge", prompt="Answer from the knowledge, in one sentence.")
def support(question: str, learned: Learned) -> str:
    """Your own function: it may call any model, in any way."""
    return local_model(learned.messages(question))


def local_model(messages: list[dict[str, str]]) -> str:
    """Stands for your model, so that this runs without a key: it repeats the first passage that it is shown."""
    passage = re.search(r'<passage id="[^"]*">\n(.*?)\n</passage>', messages[-1]["content"], re.DOTALL)
    return passage[1].splitlines()[-1] if passage else "I do not know."


def main() -> None:
    """A customer asks and complains, a reviewer says what is right, and the next customer gets that."""
    reply = support(QUESTION, user="kim")
    print(f"kim asks:    {QUESTION}\nbot:         {reply}   [release {reply.release}, {reply.source}]")
    if reply == RIGHT:
        print("It was corrected in an earlier run. Delete the store, or ask it something else.")
        return

    given = loop.feedback(reply.id, user="kim", thumb="down", comment="The policy changed in May.", wait_s=5.0)
    print(f"kim:         thumb down   [{'on disk' if given.accepted else given.reason}]")

    for case in loop.queue("support-bot", 5):
        asked = loop.case(case.id).trace
        if asked is not None and asked.id == reply.id:
            loop.decide(case.id, reviewer="Ines", erred=True, answer=RIGHT, failure_mode="outdated")
            print(f"Ines:        {RIGHT}")
    print(f"the loop:    {loop.learn('support-bot', now=True).summary().split('. ')[0]}.")

    reply = support("can I return my bicycle after six weeks", user="lee")
    print(f"lee asks:    can I return my bicycle after six weeks\nbot:         {reply}   "
          f"[release {reply.release}, {reply.source}]")  # fmt: skip


if __name__ == "__main__":
    with loop:
        main()
