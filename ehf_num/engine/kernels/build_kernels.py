"""Compile the kernels in C; where that fails, say so in one line and go on without them.

`pyproject.toml` names this to setuptools, which loads it from its path: it imports nothing of ours.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from setuptools.command.build_ext import build_ext


class BuildKernels(build_ext):  # type: ignore[misc]
    """Builds extensions, or warns that there will be none."""

    def build_extension(self, ext: Any) -> None:
        """Compile one extension, if that works."""
        try:
            super().build_extension(ext)
        except Exception as error:
            # What an earlier build left there was made of other sources, and would be installed.
            with suppress(OSError):
                Path(self.get_ext_fullpath(ext.name)).unlink()
            self.warn(
                f"{ext.name} was not compiled ({error}): training will take the reference engine, "
                "several times slower; install a C compiler and install this package again"
            )
