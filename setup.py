"""Compile the kernels in C; where that fails, say so in one line and go on without them."""

from setuptools import setup
from setuptools.command.build_ext import build_ext


class _BuildKernels(build_ext):
    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except Exception as error:
            self.warn(
                f"{ext.name} was not compiled ({error}): training will take the reference engine, "
                "several times slower; install a C compiler and install this package again"
            )


setup(cmdclass={"build_ext": _BuildKernels})
