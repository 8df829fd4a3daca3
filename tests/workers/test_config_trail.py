"""Does the audit log say which configuration was in force, and which tables changed, without holding any of it?"""

from datetime import UTC, datetime
from typing import Any

from postroom.config import Config, parse_config
from postroom.config_trail import digest_tables, record_start
from store import audit
from store.audit_verify import canonical
from store.database import Store
from tests.workers.importing import settings

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"k" * 32


def changed(**more: Any) -> Config:
    return parse_config(settings() | more)


def start(store: Store, config: Config) -> list[str]:
    return store.write_now(record_start, config, SECRET, NOW)


def test_each_start_names_the_tables_that_changed(store: Store) -> None:
    before = settings()
    assert start(store, changed()) == []
    assert start(store, changed()) == []
    before["sequence"][0]["step"][0]["body"] = "Another letter"
    assert start(store, parse_config(before)) == ["sequence.demo"]
    before["mailbox"][0]["limit"]["per_day"] = "41/day"
    before["team"]["person"][0]["role"] = "ae"
    assert start(store, parse_config(before)) == ["mailbox", "team"]
    before["sequence"][0]["name"] = "renamed"
    assert start(store, parse_config(before)) == ["sequence.demo", "sequence.renamed"]
    entries = store.read_now(lambda connection: list(audit.entries(connection)))
    assert [entry["action"] for entry in entries] == ["config.loaded"] * 5
    assert entries[1]["detail"] == entries[0]["detail"]
    assert entries[2]["detail"] != entries[1]["detail"]


def test_another_node_compares_with_its_own_start(store: Store) -> None:
    start(store, changed())
    assert start(store, changed(store={"node": "second"})) == []
    assert start(store, changed(store={"node": "second"}, retention={"raw_mail": "30d"})) == ["retention"]


def test_the_log_holds_no_text_of_the_configuration(store: Store) -> None:
    start(store, changed())
    (entry,) = store.read_now(lambda connection: list(audit.entries(connection)))
    told = canonical({"detail": entry["detail"], "private": entry["private"]})
    for text in ("maya", "team.example", "Hello", "127.0.0.1", "UNUSED"):
        assert text not in told
    assert digest_tables(changed(), SECRET) == digest_tables(changed(), SECRET)
    other = digest_tables(changed(), b"j" * 32)
    assert not set(other.values()) & set(digest_tables(changed(), SECRET).values())  # keyed: not to be found by trying
