import errno
import os
import stat

import pytest

from spikewright.errors import FormatError
from spikewright.files import replacing


def test_the_file_appears_whole(tmp_path):
    target = tmp_path / "a.bin"
    target.write_text("old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_after_a_failure_nothing_has_changed(tmp_path):
    target = tmp_path / "a.bin"
    target.write_text("old")

    def write_half():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk(tmp_path):
    target = tmp_path / "a.bin"
    with pytest.raises(FormatError) as caught, replacing(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "cannot be written: No space left on device — free space" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_no_such_folder(tmp_path):
    with (
        pytest.raises(
            FormatError, match="cannot be written; found no such folder — create the folder"
        ),
        replacing(tmp_path / "no" / "a.bin"),
    ):
        pass


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
