"""The cache of object code: faithful, private, and silent about damage."""

import json
import os
import stat
import subprocess
import sys
import threading
import time
import warnings

import pytest

from symgraph.config import config
from symgraph.core import cache as cache_module
from symgraph.core.cache import Cache, default_cache, default_folder
from symgraph.data.download import data_folder
from symgraph.errors import ArgumentError, CacheWarning, DataError

KEY = "0123456789abcdef" * 4
OTHER = "f" * 64
METADATA = {"kernels": ["k_add", "k_µ"], "version": 3, "nested": {"a": [1, 2.5, None]}}
CODE = bytes(range(256)) * 5


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def stored(folder):
    """Return the file of one entry."""
    assert Cache(folder).put(KEY, METADATA, CODE)
    return folder / f"{KEY}.sgo"


def fresh(folder) -> Cache:
    """Return a cache as another process would see it, with nothing in memory."""
    return Cache(folder)


def test_what_was_put_comes_back(folder, stored):
    assert fresh(folder).get(KEY) == (METADATA, CODE)


def test_missing_key_is_none(folder, stored):
    assert fresh(folder).get(OTHER) is None
    assert Cache(folder / "never made").get(KEY) is None
    assert not (folder / "never made").exists()


def test_put_replaces(folder, stored):
    cache = Cache(folder)
    assert cache.get(KEY) == (METADATA, CODE)
    cache.put(KEY, {}, b"new")
    assert cache.get(KEY) == ({}, b"new")
    assert fresh(folder).get(KEY) == ({}, b"new")


def test_empty_code_and_metadata_are_entries(folder):
    Cache(folder).put(KEY, {}, b"")
    assert fresh(folder).get(KEY) == ({}, b"")


def test_memory_answers_after_the_file_is_gone(folder, stored):
    cache = Cache(folder)
    cache.get(KEY)
    stored.unlink()
    assert cache.get(KEY) == (METADATA, CODE)


def test_changing_returned_metadata_changes_nothing(folder, stored):
    cache = Cache(folder)
    cache.get(KEY)[0]["kernels"].clear()
    assert cache.get(KEY) == (METADATA, CODE)


def test_memory_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(cache_module, "MEMORY_LIMIT", 5000)
    cache = Cache(folder, disk=False)
    for k in range(10):
        cache.put(f"{k:064x}", {}, bytes(2000))
    assert [k for k in range(10) if cache.get(f"{k:064x}")] == [8, 9]


def test_disk_false_touches_no_disk(folder):
    cache = Cache(folder, disk=False)
    assert cache.put(KEY, METADATA, CODE)
    assert cache.get(KEY) == (METADATA, CODE)
    assert not folder.exists()


# --- keys ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    ["", "abc", "../" + "a" * 64, "A" * 64, "g" * 64, "a" * 63 + "/", "a" * 64 + "\n",
     "a" * 129, "\0" * 64, "٣" * 64, 5, None, b"a" * 64],
)  # fmt: skip
def test_keys_that_are_no_digest_are_refused(folder, key):
    cache = Cache(folder)
    with pytest.raises(ArgumentError):
        cache.get(key)
    with pytest.raises(ArgumentError):
        cache.put(key, {}, b"")
    assert not folder.exists()


# --- damage ----------------------------------------------------------------------


def test_a_flip_of_any_byte_is_noticed_and_removed(folder, stored):
    good = stored.read_bytes()
    # every byte of header, digest and metadata, and a sample of the object's
    start = len(good) - len(CODE)
    for place in [*range(start), *range(start, len(good), 41), len(good) - 1]:
        damaged = bytearray(good)
        damaged[place] ^= 1 << (place % 8)
        stored.write_bytes(damaged)
        assert fresh(folder).get(KEY) is None, place
        assert not stored.exists(), place


@pytest.mark.parametrize("place", [0, 1, 2, 31, 62, 63])
def test_an_entry_under_a_key_of_one_other_digit_is_not_used(folder, stored, place):
    digit = f"{15 - int(KEY[place], 16):x}"
    other = KEY[:place] + digit + KEY[place + 1 :]
    (folder / f"{other}.sgo").write_bytes(stored.read_bytes())
    assert fresh(folder).get(other) is None
    assert not (folder / f"{other}.sgo").exists()
    assert fresh(folder).get(KEY) == (METADATA, CODE)


@pytest.mark.parametrize("length", [32, 40, 126])
def test_an_entry_under_a_shorter_or_longer_key_is_not_used(folder, stored, length):
    other = (KEY * 2)[:length]
    stored.rename(folder / f"{other}.sgo")
    assert fresh(folder).get(other) is None


def test_truncation_and_growth_are_noticed(folder, stored):
    good = stored.read_bytes()
    for damaged in [
        *(good[:n] for n in range(0, len(good), 37)),
        good[:-1],
        good + b"x",
    ]:
        stored.write_bytes(damaged)
        assert fresh(folder).get(KEY) is None
        assert not stored.exists()


def test_huge_lengths_in_the_header_are_noticed(folder, stored):
    good = bytearray(stored.read_bytes())
    good[12:24] = b"\xff" * 12
    stored.write_bytes(good)
    assert fresh(folder).get(KEY) is None


def test_another_format_version_is_a_miss(folder, stored, monkeypatch):
    monkeypatch.setattr(cache_module, "_FORMAT", 2)
    assert fresh(folder).get(KEY) is None


def test_an_entry_under_another_key_is_foreign(folder, stored):
    stored.rename(folder / f"{OTHER}.sgo")
    assert fresh(folder).get(OTHER) is None


def test_damage_is_repaired_by_the_next_put(folder, stored):
    stored.write_bytes(b"garbage")
    cache = fresh(folder)
    assert cache.get(KEY) is None
    cache.put(KEY, METADATA, CODE)
    assert fresh(folder).get(KEY) == (METADATA, CODE)


def test_metadata_is_json_and_not_pickle(stored):
    content = stored.read_bytes()
    start = 24 + 32
    length = int.from_bytes(content[12:16], "little")
    assert json.loads(content[start : start + length]) == METADATA


# --- who may write ---------------------------------------------------------------


def test_folder_and_files_are_private(folder, stored):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_ignored(folder, stored, mode):
    stored.chmod(mode)
    assert fresh(folder).get(KEY) is None


def test_a_link_in_place_of_a_file_is_ignored_and_its_target_kept(folder, stored):
    target = folder.parent / "target"
    stored.rename(target)
    stored.symlink_to(target)
    assert fresh(folder).get(KEY) is None
    assert target.exists()
    # a put replaces the link itself and leaves what it points to alone
    before = target.read_bytes()
    fresh(folder).put(KEY, {}, b"mine")
    assert not stored.is_symlink()
    assert target.read_bytes() == before


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_folder_or_pipe_in_place_of_a_file_is_ignored(folder, stored, make):
    stored.unlink()
    make(stored)
    assert fresh(folder).get(KEY) is None
    assert stored.exists()


def test_a_linked_folder_disables_the_disk_once(folder, stored, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    cache = Cache(link)
    with pytest.warns(CacheWarning, match="symbolic link"):
        assert cache.get(KEY) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not cache.put(OTHER, {}, b"x")
        assert cache.get(OTHER) == ({}, b"x")  # memory still serves
        assert cache.get(KEY) is None
    assert not cache.enabled
    assert "link" in cache.info()["reason"]
    assert not (folder / f"{OTHER}.sgo").exists()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_disables_the_disk(folder, stored, mode):
    folder.chmod(mode)
    cache = Cache(folder)
    with pytest.warns(CacheWarning, match="others may write"):
        assert cache.get(KEY) is None
    folder.chmod(0o700)


def test_a_folder_or_file_of_another_user_is_not_trusted(folder, stored, monkeypatch):
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with pytest.warns(CacheWarning, match="belongs to user"):
        assert fresh(folder).get(KEY) is None
    assert stored.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_ignored_and_kept(folder, stored):
    os.chown(stored, 12345, 12345)
    assert fresh(folder).get(KEY) is None
    assert stored.exists()


def test_a_file_in_place_of_the_folder_disables_the_disk(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.warns(CacheWarning, match="not kept on disk"):
        assert not Cache(tmp_path / "cache").put(KEY, {}, b"x")


def test_a_failing_write_warns_once_and_leaves_nothing(folder, stored, monkeypatch):
    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache = Cache(folder)
    with pytest.warns(CacheWarning, match="No space left"):
        assert not cache.put(OTHER, {}, b"x")
    assert [p.name for p in folder.iterdir()] == [stored.name]
    assert cache.get(OTHER) == ({}, b"x")


# --- size ------------------------------------------------------------------------


def test_entries_unused_longest_go_first(folder):
    cache = Cache(folder, limit=10_000)
    for k in range(8):
        cache.put(f"{k:064x}", {}, bytes(1000))
        os.utime(folder / f"{k:064x}.sgo", (1e9 + k, 1e9 + k))
    assert fresh(folder).get(f"{0:064x}")  # used again: now the youngest
    for k in range(8, 12):
        cache.put(f"{k:064x}", {}, bytes(1000))
    left = {int(entry.key, 16) for entry in cache.entries()}
    assert sum(entry.size for entry in cache.entries()) <= 10_000
    assert 0 in left
    assert 11 in left
    assert 1 not in left


def test_left_over_temporary_files_go_when_old(folder, stored):
    old, young = folder / ".a.tmp", folder / ".b.tmp"
    for file in (old, young):
        file.write_bytes(b"x")
    os.utime(old, (1e9, 1e9))
    Cache(folder).put(OTHER, {}, b"x")
    assert not old.exists()
    assert young.exists()


def test_entries_info_and_clear(folder, stored):
    (folder / "notes.txt").write_text("not ours")
    cache = Cache(folder)
    cache.put(OTHER, {}, b"x")
    assert {entry.key for entry in cache.entries()} == {KEY, OTHER}
    assert cache.get(KEY)
    info = cache.info()
    assert info["entries"] == 2
    assert info["bytes"] == sum(p.stat().st_size for p in folder.glob("*.sgo"))
    assert info["hits"] == 1
    assert info["folder"] == str(folder)
    assert cache.clear() == 2
    assert cache.get(KEY) is None
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]


# --- where -----------------------------------------------------------------------


def test_folder_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SYMGRAPH_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert Cache().folder == str(tmp_path / ".cache" / "symgraph")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_folder() == "/xdg/symgraph"
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", "/wish")
    assert default_folder() == "/wish"
    assert default_cache() is default_cache()
    assert default_cache().folder == "/wish"
    with config.override(cache=False):
        assert not default_cache().enabled


# --- many at once ----------------------------------------------------------------

WORKER = """
import sys, pathlib, time
sys.path.insert(0, sys.argv[3])
from symgraph.core.cache import Cache
folder, seed = sys.argv[1], int(sys.argv[2])
wrong = found = 0
for turn in range(60):
    number = (turn * 7 + seed) % 10
    key = f"{number:064x}"
    cache = Cache(folder, limit=200_000)
    if (turn + seed) % 3 == 0:
        cache.put(key, {"number": number}, bytes([number]) * (20_000 + turn))
    if turn == 40 and seed == 3:
        cache.clear()
    got = Cache(folder).get(key)
    if got is not None:
        found += 1
        wrong += got[0] != {"number": number} or set(got[1]) != {number}
assert found > 0
sys.exit(wrong != 0)
"""


def test_eight_processes_write_read_and_clear_at_once(folder):
    root = os.path.dirname(os.path.dirname(os.path.dirname(cache_module.__file__)))
    command = [sys.executable, "-W", "error", "-c", WORKER, str(folder)]
    workers = [
        subprocess.Popen([*command, str(k), root], stderr=subprocess.PIPE, text=True)
        for k in range(8)
    ]
    ends = [
        (worker.communicate(timeout=60)[1], worker.returncode) for worker in workers
    ]
    assert ends == [("", 0)] * 8
    cache = fresh(folder)
    for entry in cache.entries():
        assert cache.get(entry.key) is not None
    assert cache.info()["rejected"] == 0
    assert not [p for p in folder.iterdir() if p.name.endswith(".tmp")]


def test_threads_share_one_cache(folder):
    cache, wrong = Cache(folder), []

    def work(seed):
        for turn in range(40):
            number = (turn + seed) % 5
            cache.put(f"{number:064x}", {"n": number}, bytes([number]) * 100)
            if cache.get(f"{number:064x}") != ({"n": number}, bytes([number]) * 100):
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_hit_is_quick(folder):
    Cache(folder).put(KEY, METADATA, bytes(30_000))
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        assert fresh(folder).get(KEY)
        best = min(best, time.perf_counter() - start)
    assert best < 0.005


def test_a_user_without_a_home_gets_no_folder_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("SYMGRAPH_CACHE_DIR", raising=False)
    cache = Cache()
    with pytest.warns(CacheWarning, match="no home folder"):
        assert not cache.put("0" * 64, {}, b"code")
    assert cache.get("0" * 64) == ({}, b"code")  # in memory
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("SYMGRAPH_DATA_DIR", raising=False)
    with pytest.raises(DataError, match="no home folder"):
        data_folder()


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o711])
def test_a_folder_that_others_may_read_is_used(tmp_path, mode):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    folder.chmod(mode)
    assert Cache(folder).put("0" * 64, {}, b"code")
    assert Cache(folder).get("0" * 64) == ({}, b"code")
