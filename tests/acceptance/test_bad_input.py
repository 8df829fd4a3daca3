"""Does bad input get an error that tells a stranger what to do, and is nothing lost?"""

import json
from pathlib import Path

import pytest

from tests.acceptance.test_demo import run


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A folder as `postroom init` leaves it."""
    assert run(tmp_path, "init").returncode == 0
    return tmp_path


def test_what_init_writes_is_a_valid_configuration(started: Path) -> None:
    found = run(started, "config", "check")
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_wrong_config_shows_every_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[postroom]\nsecret = { env = "X", file = "y" }\n[company]\nname = "A"\ncolour = "red"\n'
        '[[mailbox]]\naddress = "no address"\n[team]\ntriage = "nobody@x.test"\n',
        encoding="utf-8",
    )
    found = run(tmp_path, "config", "check")
    assert found.returncode == 2
    for path in ("postroom.secret", "company.colour", "mailbox[0].address", "team"):
        assert path in found.stderr


@pytest.mark.parametrize("text", ["[[[", "\x00", "[postroom"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    found = run(tmp_path, "status")
    assert found.returncode == 2
    assert "config.toml" in found.stderr


def test_a_missing_config_says_how_to_get_one(tmp_path: Path) -> None:
    found = run(tmp_path, "threads")
    assert found.returncode == 2
    assert "postroom init" in found.stderr


def test_a_broken_row_is_reported_and_the_rest_imported(started: Path) -> None:
    (started / "list.csv").write_text(
        "email,first_name\nann@acme.test,Ann\nnot an address,Bob\nbea@acme.test,Bea\n", encoding="utf-8"
    )
    found = run(started, "import", "contacts", "list.csv", "--json")
    assert found.returncode == 1
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(row["line"], row["outcome"]) for row in rows] == [(2, "added"), (3, "refused"), (4, "added")]
    refused = (started / "list.errors.csv").read_text(encoding="utf-8")
    assert "not an address" in refused
    assert "3" in refused


def test_a_list_without_addresses_is_refused_as_a_whole(started: Path) -> None:
    (started / "list.csv").write_text("name\nAnn\n", encoding="utf-8")
    found = run(started, "import", "contacts", "list.csv")
    assert found.returncode in (1, 2)
    assert "email" in found.stderr + found.stdout


def test_a_missing_file_is_named(started: Path) -> None:
    for words in (
        ("import", "contacts", "absent.csv"),
        ("classify", "absent.eml"),
        ("suppression", "import", "absent.txt"),
    ):
        found = run(started, *words)
        assert found.returncode in (1, 2)
        assert "absent" in found.stderr + found.stdout


def test_an_unknown_sequence_is_named(started: Path) -> None:
    found = run(started, "preview", "nothing-of-the-kind")
    assert found.returncode == 1
    assert "nothing-of-the-kind" in found.stderr


def test_the_example_in_the_repository_is_what_init_writes(started: Path) -> None:
    example = (Path(__file__).parents[2] / "config.toml").read_text(encoding="utf-8")
    assert (started / "config.toml").read_text(encoding="utf-8") == example


SEQUENCE = """
mailboxes = ["maya@outreach.example.com"]
owner = "maya@example.com"

[[step]]
subject = "Hello {{first_name}}"
body = "Is {{company}} well?"
"""


def test_a_sequence_in_a_file_of_its_own_is_one_like_the_others(started: Path) -> None:
    (started / "sequences").mkdir()
    (started / "sequences/spring.toml").write_text(SEQUENCE, encoding="utf-8")
    found = run(started, "config", "check")
    assert found.returncode == 0, found.stderr
    assert "2 sequences, no errors" in found.stdout
    assert run(started, "activate", "spring").returncode == 0


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("[[step]]", "[[step"), "sequences/spring.toml: no valid TOML"),
        (('subject = "Hello {{first_name}}"', ""), "sequences/spring.toml: the first step needs a subject"),
        (("body =", "boddy ="), "sequences/spring.toml: step[0].boddy: is not a known key"),
        (("maya@outreach", "nobody@outreach"), "sequences/spring.toml: mailboxes[0]: nobody@outreach"),
        (("{{company}}", "{{company"), "sequences/spring.toml: step[0].body: line 1"),
        (("owner =", 'name = "demo-midmarket"\nowner ='), '"demo-midmarket" is listed twice'),
    ],
)
def test_an_error_in_a_sequence_names_its_file(started: Path, change: tuple[str, str], place: str) -> None:
    (started / "sequences").mkdir()
    (started / "sequences/spring.toml").write_text(SEQUENCE.replace(*change), encoding="utf-8")
    found = run(started, "config", "check")
    assert found.returncode == 2, found.stdout
    assert place in " ".join(found.stderr.split())


def test_every_template_is_checked_and_doubtful_ones_are_warned_of(started: Path) -> None:
    text = (started / "config.toml").read_text(encoding="utf-8")
    step = '[[sequence.step]]\ndelay = "1d"\nbody = "On {{ topic }}"\n'
    variant = '[[sequence.step.variant]]\nname = "b"\nsubject = "x"\nbody = "y"\n'
    (started / "config.toml").write_text(text.replace("[team]", f"{step}{variant}[team]", 1), encoding="utf-8")
    found = run(started, "config", "check")
    assert found.returncode == 0, found.stderr
    said = " ".join(found.stdout.split())
    assert "sequence[0].step[2].body: topic is no known field" in said
    assert "sequence[0].step[2].variant[0]: changes subject and body at once" in said
    broken = text.replace("[team]", step.replace("{{ topic }}", "{% if %}") + "[team]", 1)
    (started / "config.toml").write_text(broken, encoding="utf-8")
    found = run(started, "config", "check")
    assert found.returncode == 2
    assert "sequence[0].step[2].body: line 1" in found.stderr
