"""What a ratchet.toml says is what the settings say; environment and options come before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.errors import InvalidInput
from ratchet.project.read import project_folder, read_project
from ratchet.settings import ServiceSettings, Settings
from tests.unit.project.conftest import Read, Refuse

SERVICE = """
[service]
host = "0.0.0.0"
port = 9000
origins = ["https://shop.example", "http://localhost:3000"]
token_hours = 2
requests_per_minute = 120
learn = false
[store]
file = "data.db"
[embedder]
name = "lexical"
"""


def test_every_key_of_the_service_is_read(read: Read, folder: Path) -> None:
    settings = read(SERVICE)
    assert settings.service == ServiceSettings(
        host="0.0.0.0", port=9000, origins=("https://shop.example", "http://localhost:3000"), token_hours=2.0,
        requests_per_minute=120, learn=False,
    )  # fmt: skip
    assert (settings.store, settings.embedder) == (folder / "data.db", "lexical")


def test_an_empty_file_gives_the_defaults_with_the_store_beside_it(read: Read, folder: Path) -> None:
    assert read("") == Settings(store=folder / "ratchet.db", cache=Path.home() / ".cache" / "ratchet")


def test_without_a_file_the_settings_are_those_of_the_environment(folder: Path) -> None:
    environment = {"RATCHET_STORE": "a.db", "RATCHET_EMBEDDER": "lexical", "RATCHET_CACHE": "/c"}
    assert read_project(environment, folder) == Settings.read(environment)
    assert read_project({}, folder) == Settings.read({})
    assert read_project({"RATCHET_PORT": "9"}, folder).service == ServiceSettings(port=9)


def test_the_environment_wins_over_the_file(read: Read) -> None:
    settings = read(
        SERVICE, RATCHET_STORE="mine.db", RATCHET_EMBEDDER="auto", RATCHET_CACHE="/c", RATCHET_HOST="::1",
        RATCHET_PORT="0",
    )  # fmt: skip
    assert (settings.store, settings.embedder, settings.cache) == (Path("mine.db"), "auto", Path("/c"))
    assert (settings.service.host, settings.service.port, settings.service.token_hours) == ("::1", 0, 2.0)


def test_a_store_that_is_given_wins_over_both(read: Read, folder: Path) -> None:
    read(SERVICE)
    assert read_project({"RATCHET_STORE": "mine.db"}, folder, "given.db").store == Path("given.db")


@pytest.mark.parametrize("port", ["", "x", "-1", "65536", "8400.0", "٣"])
def test_a_port_in_the_environment_that_is_none_is_refused(folder: Path, port: str) -> None:
    with pytest.raises(InvalidInput, match="RATCHET_PORT"):
        read_project({"RATCHET_PORT": port}, folder)


def test_an_empty_host_in_the_environment_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="RATCHET_HOST"):
        read_project({"RATCHET_HOST": " "}, folder)


def test_a_sentence_encoder_is_named_by_its_folder(read: Read, folder: Path) -> None:
    assert read('[embedder]\nname = "encoder"').embedder == str(folder / "encoder")


def test_a_file_from_a_windows_editor_is_read(folder: Path) -> None:
    (folder / "ratchet.toml").write_bytes(b"\xef\xbb\xbf[service]\r\nport = 9000\r\n")
    assert read_project({}, folder).service.port == 9000


WRONG = {
    "an unknown table": ("[servic]\nport = 1", 1, "'servic' is not a table", "'service'"),
    "an unknown key": ("[service]\n\nprot = 1", 3, "'prot' is not a key of [service]", "'port'"),
    "an unknown key at the top": ("x = 1", 1, "'x' is not a key.", "Take it out", "apps"),
    "a port in quotes": ('[service]\nport = "8400"', 2, "port of [service] is a text, not a whole number"),
    "a port that is too high": ("[service]\nport = 65536", 2, "port is 65536", "from 0 to 65535"),
    "a fraction of a port": ("[service]\nport = 80.5", 2, "a number, not a whole number"),
    "a huge port": (f"[service]\nport = 1{'0' * 400}", 2, "far too large"),
    "a number for a switch": ("[service]\nlearn = 1", 2, "learn of [service] is a whole number, not true or false"),
    "a switch for a number": ("[service]\ntoken_hours = true", 2, "is true or false, not a number"),
    "no hours": ("[service]\ntoken_hours = 0", 2, "above 0"),
    "hours that are no number": ("[service]\ntoken_hours = nan", 2, "token_hours is nan"),
    "endless hours": ("[service]\ntoken_hours = inf", 2, "token_hours is inf"),
    "fewer requests than none": ("[service]\nrequests_per_minute = -1", 2, "-1"),
    "an empty host": ('[service]\nhost = ""', 2, "host is empty"),
    "a host of two lines": ('[service]\nhost = """a\nb"""', 2, "not one line"),
    "one origin without a list": ('[service]\norigins = "*"', 2, "a text, not a list", "origins = ["),
    "an origin with a path": ('[service]\norigins = [\n"*",\n"https://a.example/x"]', 4, "'https://a.example/x'"),
    "an origin without a scheme": ('[service]\norigins = ["a.example"]', 2, "not a web origin"),
    "an origin with a wild card": ('[service]\norigins = ["https://*.example"]', 2, "not a web origin"),
    "an origin with a port that is none": ('[service]\norigins = ["https://a:x"]', 2, "not a web origin"),
    "an origin that is no text": ("[service]\norigins = [1]", 2, "Item 1 of origins is a whole number"),
    "a key for a table": ("service = 1", 1, "service is a whole number, not a table", "[service]"),
    "a list of tables": ("[[service]]\nport = 1", 1, "service is a list, not a table"),
    "an address for the store": ('[store]\nfile = "postgresql://db"', 2, "not a file"),
    "a folder for the store": ('[store]\nfile = "prompts"', 2, "is a folder"),
    "a store in a folder that is not there": ('[store]\nfile = "no/a.db"', 2, "There is no folder"),
    "a date for the store": ("[store]\nfile = 1979-05-27", 2, "a date or a time, not a text"),
    "a path that is too long": (f'[store]\nfile = "{"a" * 5000}"', 2, "file cannot be looked at"),
    "the home of nobody": ('[store]\nfile = "~nobody-has-it/a.db"', 2, "no such home"),
    "an embedder that is not there": ('[embedder]\nname = "minilm"', 2, "no sentence encoder", '"lexical"'),
    "text without quotes": ("[store]\n\nfile = ratchet.db", 3, "Invalid value", "quotes"),
    "a table twice": ("[store]\n[service]\n[store]", 3, "twice", "same name"),
    "a key twice": ('[store]\nfile = "a.db"\nfile = "b.db"', 3, "Cannot overwrite", "same name"),
    "an end too soon": ("[store]\nfile = [1,\n", 3, "Invalid value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_refused_with_line_and_fix(refuse: Refuse, case: str) -> None:
    text, line, *said = WRONG[case]
    refuse(text, line, *said)


def test_a_file_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "ratchet.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"ratchet\.toml is not UTF-8"):
        read_project({}, folder)


def test_a_number_with_thousands_of_digits_is_refused(read: Read) -> None:
    with pytest.raises(InvalidInput, match=r"ratchet\.toml cannot be used: .* digits"):
        read(f"[service]\nport = {'1' * 5000}\n\n")


def test_a_file_that_is_nested_too_deep_is_refused(read: Read) -> None:
    with pytest.raises(InvalidInput, match="nested too deep"):
        read(f"a = {'[' * 5000}{']' * 5000}")


class TestTheFolder:
    def test_is_the_current_one_unless_named(self) -> None:
        assert project_folder({}) == Path()

    def test_may_be_named_by_itself_or_by_its_file_in_the_environment_or_as_an_option(self, folder: Path) -> None:
        toml = folder / "ratchet.toml"
        toml.touch()
        assert project_folder({"RATCHET_PROJECT": str(folder)}) == folder
        assert project_folder({"RATCHET_PROJECT": str(toml)}) == folder
        assert project_folder({"RATCHET_PROJECT": "/nowhere"}, folder) == folder
        assert project_folder({"RATCHET_PROJECT": "/nowhere"}, str(toml)) == folder

    def test_must_have_a_project_when_it_is_named(self, folder: Path) -> None:
        for environment, named in (({"RATCHET_PROJECT": str(folder)}, None), ({}, folder)):
            with pytest.raises(InvalidInput, match=r"no ratchet\.toml in .* Run `ratchet init"):
                project_folder(environment, named)
