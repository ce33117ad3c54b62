"""A file that changes only at commits, compared with a plain array of bytes."""

import os
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.engines.journal import Journaled, journal_of, recover
from spikewright.errors import FormatError

WRITES = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 20_000), st.integers(1, 9_000)),
        st.just("commit"),
        st.tuples(st.just("truncate"), st.integers(0, 25_000)),
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(WRITES)
def test_reads_what_was_written_and_holds_what_was_committed(tmp_path_factory, writes):
    path = tmp_path_factory.mktemp("j") / "file"
    path.write_bytes(bytes(range(256)) * 20)
    model = bytearray(path.read_bytes())
    held, file, fill = bytes(model), Journaled(path), 0
    for step in writes:
        if step == "commit":
            file.commit()
            held = bytes(model)
        elif step[0] == "truncate":
            size = max(step[1], len(held))
            assert file.truncate(step[1]) == size
            model[:] = model[:size].ljust(size, b"\0")
        else:
            start, n = step
            fill += 1
            data = np.full(n, fill % 251 + 1, np.uint8).tobytes()
            file.seek(start)
            assert file.write(data) == n
            model[:] = model.ljust(start, b"\0")
            model[start : start + n] = data
        file.seek(0)
        assert file.read() == bytes(model)
        assert file.seek(0, os.SEEK_END) == len(model)
        assert path.read_bytes()[: len(held)] == held
    file.close()
    file.close()


def test_recovery_needs_a_place_that_can_be_written(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    journal_of(path).write_bytes(b"half")
    copy = tmp_path / "copy"
    shutil.copy(path, copy)
    recover(path)
    assert not journal_of(path).exists()
    assert path.read_bytes() == copy.read_bytes()
    journal_of(path).write_bytes(b"half")

    def refused(self, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", refused)
    with pytest.raises(FormatError, match="cannot be put in place: Permission denied"):
        recover(path)
