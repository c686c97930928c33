"""Files are written whole or not at all."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from samebits import UsageError
from samebits._files import cannot_write, sha256_file, write_whole


def test_returns_the_hash_of_what_it_wrote(tmp_path):
    digest = write_whole(tmp_path / "file", [b"one", memoryview(b"two")])
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    assert digest == hashlib.sha256(b"onetwo").hexdigest() == sha256_file(tmp_path / "file")


def test_an_interrupted_write_keeps_what_was_there(tmp_path):
    def chunks():
        yield b"half"
        raise KeyboardInterrupt

    write_whole(tmp_path / "file", "whole")
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", chunks())
    assert (tmp_path / "file").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_get_the_mode_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_place_that_cannot_be_written_is_one_line():
    with pytest.raises(UsageError, match=r"^cannot write /dev/full/x: Not a directory; name another folder$"):
        write_whole("/dev/full/x", "")


def test_a_full_disk_says_so():
    error = OSError(errno.ENOSPC, "No space left on device")
    assert str(cannot_write(Path("x"), error)).endswith("; make room there or name another folder")
