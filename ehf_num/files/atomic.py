"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` only when the block ends without an error.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and then
    renamed over `path`. When the block raises, the temporary file is removed and the file that
    was at `path` stays as it was. A file that is replaced hands on its permission bits; a new one
    gets what the umask leaves. A symbolic link is followed, not replaced.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    binary file
        Seekable. Closed on the way out; the block need not close it.

    Raises
    ------
    OSError
        Of the subclass that fits (FileNotFoundError, IsADirectoryError, PermissionError, ...),
        before the block is entered, if no file can be put at `path`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(f"{folder}/note.txt") as handle:
    ...         _ = handle.write(b"whole")
    ...     os.listdir(folder)
    ['note.txt']
    """
    target = Path(os.path.realpath(path))
    mode = _mode_of_replaceable(target)
    temporary = target.with_name(f".{uuid4().hex}.tmp")
    try:
        handle = open(temporary, "xb")  # noqa: SIM115 - closed below, before the rename
    except OSError as error:
        reason = f"no file can be made in the folder: {error.strerror}"
        raise OSError(error.errno, reason, str(target.parent)) from error
    try:
        with handle:
            if mode is not None:  # before the first byte: a private file stays private
                temporary.chmod(mode)
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise what `atomic_write` would, before hours of work whose result could not be written.

    Raises
    ------
    OSError
        Of the subclass that fits, if no file can be put at `path`.
    """
    target = Path(os.path.realpath(path))
    _mode_of_replaceable(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is not a folder; it should be made first")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"{target.parent} is write-protected; it should take a new file")


def _mode_of_replaceable(target: Path) -> int | None:
    """Permission bits of the file at `target`, None if there is none; refuse what is no file."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; it should be a file's name")
    if not target.exists():
        return None
    if not target.is_file():
        raise OSError(f"{target} is a device or a pipe; it should be a file's name")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is write-protected; it should be a file to replace")
    return stat.S_IMODE(target.stat().st_mode)
