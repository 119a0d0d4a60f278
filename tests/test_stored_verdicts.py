"""Stored reproduction notebooks say of the ledger's claims what the ledger says now."""
import pytest

import store


def test_there_are_some():
    assert len(store.counting()) >= 25


@pytest.mark.parametrize("path", store.counting(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stored_counts_are_those_of_the_ledger(path):
    assert store.expected(path) in store.text_of(path), f"{path.name} is older than the ledger: `make store`, look, commit"


def test_an_older_notebook_is_noticed(tmp_path):
    path = store.counting()[0]
    older = tmp_path / path.name
    older.write_text(path.read_text().replace(store.expected(path), "Of 2 claims 2 are undecided."))
    assert store.is_stale(older) and not store.is_stale(path)
