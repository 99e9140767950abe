"""Settings of every test: few threads, no network, a separate cache."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["ADB_SERVER_SOCKET"] = "tcp:127.0.0.1:9"  # adb starts no server for an address

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.absent import Absent

sys.meta_path.append(Absent())

pytest_plugins = ["tests.boards"]


LONGEST = ("test_third_party.py", "test_library.py")
"""Files that start first, so that no core waits for them alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests of the longest files to the front; all others keep their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep finished stages apart from the user's and from other tests'."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("EDGEPRESS_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the key of the cache's seals apart from the user's."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder
