"""Any table with a mapping, or with a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.errors import InvalidInput
from ratchet.importers.columns import Columns, guessed, read_mapping
from ratchet.importers.row import Imported
from ratchet.importers.tables import read_table
from tests.unit.importers.reading import Read, gathered, samples

TOLD = (
    "input=question", "output=answer", "user=meta.uid", "thumb=rating", "score.accuracy=acc", "at=when",
    "correction=fix",
)  # fmt: skip


def of_input(read: Read, text: str) -> str:
    (found,) = [trace.id for trace in read.traces.values() if trace.input == text]
    return found


class TestWithAMapping:
    def test_fields_come_from_where_they_were_mapped(self) -> None:
        read = gathered(read_table(samples("table.jsonl"), app="support", told=TOLD))
        first = read.traces[of_input(read, "Can I return a kite?")]
        assert (first.output, first.context.user, first.at, first.app) == (
            "Yes, within 30 days.", "kim", 1791100800.0, "support",
        )  # fmt: skip
        said = read.said(first.id)
        assert (said.thumb, said.scores, said.user) == ("up", {"accuracy": 0.9}, "kim")

    def test_text_of_numbers_and_of_thumbs_is_understood(self) -> None:
        read = gathered(read_table(samples("table.jsonl"), told=TOLD))
        said = read.said(of_input(read, "How long does delivery take?"))
        assert (said.thumb, said.scores, said.correction) == ("down", {"accuracy": 0.1}, "Two to four working days.")

    def test_the_file_names_the_app_when_nobody_does(self) -> None:
        read = gathered(read_table(samples("table.jsonl"), told=TOLD))
        assert {trace.app for trace in read.traces.values()} == {"table"}

    def test_what_cannot_be_used_is_skipped_with_its_reason_and_the_rest_kept(self) -> None:
        read = gathered(read_table(samples("table.jsonl"), told=TOLD))
        assert read.skipped == [
            ("table.jsonl, line 3", "its thumb is not up, down, true, false, 1, 0 or -1"),
            ("table.jsonl, line 4", "there is no text in its input, and no feedback"),
            ("table.jsonl, line 5", "it is not a JSON object"),
        ]
        third = read.traces[of_input(read, "Do you sell string?")]
        assert third.at is None
        assert third.id not in read.feedback

    def test_ids_depend_on_the_row_alone(self, tmp_path: Path) -> None:
        before = gathered(read_table(samples("table.jsonl"), app="a", told=TOLD))
        lines = samples("table.jsonl")[0].read_text().splitlines()
        moved = tmp_path / "moved.jsonl"
        moved.write_text("\n".join(reversed(lines)))
        after = gathered(read_table([moved], app="a", told=TOLD))
        assert before.traces.keys() == after.traces.keys()
        assert {said.event_id for on in before.feedback.values() for said in on} == {
            said.event_id for on in after.feedback.values() for said in on
        }

    def test_an_id_too_long_to_keep_is_replaced_by_a_stable_one(self, tmp_path: Path) -> None:
        path = tmp_path / "long.jsonl"
        path.write_text('{"key": "' + "x" * 200 + '", "q": "Hello"}\n')
        (row,) = read_table([path], told=["id=key", "input=q"])
        assert isinstance(row, Imported)
        assert row.trace is not None
        assert row.trace.id.startswith("im_")
        assert [row] == list(read_table([path], told=["id=key", "input=q"]))

    def test_feedback_alone_needs_the_id_of_its_trace(self, tmp_path: Path) -> None:
        path = tmp_path / "votes.csv"
        path.write_text("trace,vote,who\nt-1,up,kim\n,down,lee\nt-3,,mo\n")
        read = gathered(read_table([path], told=["id=trace", "thumb=vote", "user=who"]))
        assert read.said("t-1").thumb == "up"
        assert read.said("t-1").app == ""
        assert [where for where, _ in read.skipped] == ["votes.csv, line 3", "votes.csv, line 4"]

    def test_signals_and_flags_are_feedback_too(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text('{"q": "Hello", "copied": true, "marks": ["unsafe"]}\n')
        read = gathered(read_table([path], told=["input=q", "signal.copy=copied", "flags=marks"]))
        (said,) = next(iter(read.feedback.values()))
        assert (said.signals, said.flags) == ({"copy": True}, ["unsafe"])


class TestWithAGuess:
    def test_names_are_recognised_however_they_are_written(self) -> None:
        heard: list[Columns] = []
        read = gathered(read_table(samples("table.csv"), on_columns=lambda path, columns: heard.append(columns)))
        assert heard[0].guessed
        assert heard[0].said() == [
            "id=Request ID", "input=Question", "output=Response", "at=Created At", "user=User ID", "thumb=Thumbs",
            "stars=Stars", "comment=Comment", "score.tone=score.tone",
        ]  # fmt: skip
        said = read.said("r-1")
        assert (said.thumb, said.stars, said.scores) == ("up", 5, {"tone": 0.75})
        assert read.traces["r-2"].input == "How long does\ndelivery take?"
        assert read.said("r-2").scores == {"tone": False}
        assert read.skipped == [("table.csv, line 6", "it has more cells than the header")]

    def test_a_rating_is_a_thumb_only_where_all_its_values_are(self) -> None:
        assert guessed([{"input": "a", "rating": 1}, {"input": "b", "rating": -1}]).roles["thumb"] == "rating"
        rated = guessed([{"input": "a", "rating": 1}, {"input": "b", "rating": 5}])
        assert ("thumb" in rated.roles, dict(rated.scores)) == (False, {"rating": "rating"})

    def test_our_own_export_is_understood(self) -> None:
        row = {"id": "t-1", "app": "shop", "at": 1.0, "input": "Hi", "output": "Ho", "context": {"user": "kim"}}
        roles = guessed([row]).roles
        assert (roles["user"], roles["app"], roles["at"], roles["id"]) == ("context.user", "app", "at", "id")

    def test_a_file_that_gives_nothing_away_asks_for_a_mapping(self, tmp_path: Path) -> None:
        path = tmp_path / "odd.jsonl"
        path.write_text('{"foo": 1, "bar": {"baz": 2}}\n')
        with pytest.raises(InvalidInput, match=r"holds the input.*foo, bar, bar\.baz"):
            list(read_table([path]))


class TestMistakes:
    def test_an_unknown_column_is_refused_with_the_columns_there_are(self) -> None:
        with pytest.raises(InvalidInput, match=r"no column 'asked'.*question, answer, meta, meta\.uid, rating"):
            list(read_table(samples("table.jsonl"), told=["input=asked"]))

    @pytest.mark.parametrize("told", ["inputs=question", "score.=acc", "signal.jump=acc"])
    def test_an_unknown_role_is_refused_with_the_roles_there_are(self, told: str) -> None:
        with pytest.raises(InvalidInput, match=r"no role.*input, output.*score\.NAME"):
            read_mapping([told])

    @pytest.mark.parametrize("told", ["input", "input=", "=question"])
    def test_half_a_mapping_is_refused(self, told: str) -> None:
        with pytest.raises(InvalidInput):
            read_mapping([told])

    def test_a_file_of_bad_rows_only_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.jsonl"
        path.write_text("oops\noops\n")
        assert gathered(read_table([path])).reasons == {"it is not JSON"}
