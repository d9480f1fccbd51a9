"""The newcomer's path over HTTP: ask, complain, review, ask again in other words."""

from __future__ import annotations

from openai import OpenAI

from tests.web.running import Running, wait_until


def ask(service: Running, question: str) -> object:
    client = OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)
    with client:
        return client.chat.completions.create(
            model="support", messages=[{"role": "user", "content": question}], user="u17"
        )


def test_a_complaint_reviewed_by_a_person_changes_the_answer_to_other_words(fresh: Running) -> None:
    first = ask(fresh, "Can I return an item after six weeks?")
    assert "30 days" in first.choices[0].message.content  # type: ignore[attr-defined]
    token = first.ratchet["feedback_token"]  # type: ignore[attr-defined]

    told = fresh.post("/v1/feedback", {"token": token, "thumb": "down", "comment": "The rule changed."}).json()
    assert told["review_id"]
    assert fresh.get(told["status_url"]).json()["progress"] == "in_review"

    verdict = {"reviewer": "Ines", "erred": True, "answer": "Yes, within 60 days of delivery."}
    decided = fresh.post(f"/v1/cases/{told['review_id']}/verdict", verdict).json()
    lesson = decided["lesson"]["id"]
    wait_until(lambda: fresh.get("/v1/apps/support").json()["release"] == 1)

    again = ask(fresh, "May I return an item after six weeks have gone by?")
    assert again.choices[0].message.content == "Yes, within 60 days of delivery."  # type: ignore[attr-defined]
    assert lesson in [item["id"] for item in again.ratchet["influences"]]  # type: ignore[attr-defined]
    status = fresh.get(told["status_url"]).json()
    assert (status["progress"], status["release"]) == ("released", 1)
