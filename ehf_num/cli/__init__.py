"""The command ehf, by groups of its commands; ``command`` puts them together."""

from ehf_num.cli.command import main

__all__ = ["main"]
