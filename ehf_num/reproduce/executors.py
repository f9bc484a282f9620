"""Executors at an address: Dask's, which takes a sweep to a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from ehf_num.engine.arguments import positive_number
from ehf_sym.errors import ArgumentError


@contextmanager
def executor_at(address: str | None, *, timeout: float = 30.0) -> Iterator[Executor | None]:
    """Connect to a Dask scheduler while the block runs, for `sweep`.

    Runs of a worker that dies are taken up by the others: Dask gives a run up when the fourth
    worker has died of it (``distributed.scheduler.allowed-failures``).

    Parameters
    ----------
    address : str or None
        Of the scheduler, such as ``tcp://host:8786``. Its workers need this package in the same
        version. None gives None, with which `sweep` runs on processes of its own.
    timeout : float
        For the connection, seconds.

    Yields
    ------
    concurrent.futures.Executor or None

    Raises
    ------
    ehf_sym.ArgumentError
        If `distributed` is not installed, or the address is none.
    OSError
        If nobody answers there.

    Examples
    --------
    >>> with executor_at(None) as executor:
    ...     print(executor)
    None
    """
    if address is None:
        yield None
        return
    timeout = positive_number(timeout, "timeout")
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise ArgumentError(
            f"address was {address!r}, which needs Dask, and it is not installed: pip install "
            "'.[distributed]'"
        ) from error
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise ArgumentError(
            f"address was {address!r}; it should be that of a Dask scheduler, such as "
            f"tcp://host:8786 ({error})"
        ) from error
    with Client(address, timeout=timeout, set_as_default=False) as client:
        # Not pure: a run that failed is run again when it is asked for again.
        yield client.get_executor(pure=False)
