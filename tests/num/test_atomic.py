from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ehf_num.files.atomic import atomic_write


def write(path: Path, text: bytes) -> None:
    with atomic_write(path) as handle:
        handle.write(text)


def write_half_and_raise(path: Path, error: type[BaseException]) -> None:
    with atomic_write(path) as handle:
        handle.write(b"half")
        raise error


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_creates_and_replaces(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    write(file, b"old")
    write(file, b"new")
    assert file.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_nothing_is_visible_before_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    write(file, b"old")
    with atomic_write(file) as handle:
        handle.write(b"half")
        handle.flush()
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"half"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("existed", [True, False])
def test_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, error: type[BaseException], existed: bool
) -> None:
    file = tmp_path / "a.bin"
    if existed:
        file.write_bytes(b"old")
    before = os.listdir(tmp_path)
    with pytest.raises(error):
        write_half_and_raise(file, error)
    assert os.listdir(tmp_path) == before
    assert not existed or file.read_bytes() == b"old"


def test_failing_rename_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write(file, b"new")
    assert os.listdir(tmp_path) == ["a.bin"]
    assert file.read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_permissions(tmp_path: Path) -> None:
    private, fresh = tmp_path / "private", tmp_path / "fresh"
    private.write_bytes(b"")
    private.chmod(0o600)
    before = os.umask(0o027)
    try:
        with atomic_write(private):
            (temporary,) = (file for file in tmp_path.iterdir() if file != private)
            assert mode(temporary) == 0o600
        write(fresh, b"")
    finally:
        os.umask(before)
    assert mode(private) == 0o600
    assert mode(fresh) == 0o640


def test_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    file, link = tmp_path / "far" / "file", tmp_path / "link"
    file.write_bytes(b"old")
    link.symlink_to(file)
    write(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="folder"):
        write(tmp_path, b"")
    with pytest.raises(FileNotFoundError, match=r"in the folder.*absent"):
        write(tmp_path / "absent" / "file", b"")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    # Stands for devices too: a test must not point at the machine's own.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="device or a pipe"):
        write(pipe, b"")
    assert pipe.is_fifo()


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write anywhere")
def test_read_only_folder_for_a_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="in the folder"):
            write(tmp_path / "file", b"")
    finally:
        tmp_path.chmod(0o700)


def test_refused_creation_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "some temporary name")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match="in the folder") as caught:
        write(tmp_path / "file", b"")
    assert caught.value.filename == str(tmp_path)


def test_write_protected_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="write-protected"):
        write(file, b"new")
    assert file.read_bytes() == b"old"
