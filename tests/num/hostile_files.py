"""Files that ask for far more than they hold, and what is no file at all."""

import os
import zipfile
from functools import partial

MEBIBYTE = 2**20


def npy(shape, dtype="<f8", content=b""):
    """Return a .npy file that claims a shape, whatever it holds."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (118 - 1 - len(header)) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


def _parts(path):
    """Return the parts of an archive, none where there is no archive yet."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def replace(path, parts, packed=zipfile.ZIP_DEFLATED):
    """Write an archive anew with parts of its own added or replaced."""
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in (_parts(path) | parts).items():
            archive.writestr(name, content)


def zeros(path, parts, mebibytes, name="history_elbo"):
    """Add parts of zeros, which pack a thousand to one."""
    others, count = _parts(path), mebibytes * MEBIBYTE // 8
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other, content in others.items():
            archive.writestr(other, content)
        for k in range(parts):
            with archive.open(f"{name}{k or ''}.npy", "w", force_zip64=True) as member:
                member.write(npy((count,)))
                for _ in range(mebibytes):
                    member.write(bytes(MEBIBYTE))


def overlapping(path):
    """Let many entries of the directory point to one part."""
    replace(path, {"z.npy": npy((MEBIBYTE // 8,), content=bytes(MEBIBYTE))}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path, "a") as archive:
        part = archive.getinfo("z.npy")
        for k in range(900):
            twin = zipfile.ZipInfo(f"z{k}.npy")
            for name in ("header_offset", "CRC", "compress_size", "file_size", "flag_bits"):
                setattr(twin, name, getattr(part, name))
            archive.filelist.append(twin)
        archive._didModify = True


def many(path):
    """Add twenty thousand arrays of nothing."""
    with zipfile.ZipFile(path, "a") as archive:
        for k in range(20_000):
            archive.writestr(f"{k}.npy", npy((0,)))


ARCHIVES = {
    "one part of zeros": partial(zeros, parts=1, mebibytes=256),
    "parts of zeros": partial(zeros, parts=30, mebibytes=16),
    "parts that overlap": overlapping,
    "many parts": many,
    "a terabyte is claimed": partial(replace, parts={"x.npy": npy((2**37,))}),
    "a claim beyond integers": partial(replace, parts={"x.npy": npy((2**62, 2**62))}),
    "a claim of long numbers": partial(replace, parts={"x.npy": npy((4,), "<f8", bytes(31))}),
    "a negative shape": partial(replace, parts={"x.npy": npy((-1, 2))}),
    "text": partial(replace, parts={"x": b"no array", "header": b"{}"}),
    "a note": partial(replace, parts={"note.txt": b"no array"}),
    "an unknown version": partial(replace, parts={"x.npy": b"\x93NUMPY\x09\x00" + bytes(200)}),
}


def _setting(name, value, header):
    header["settings"][name] = value


def _dim(value, header):
    header["formulas"]["dim"] = value


def _wide(header):
    _dim(20_000, header)
    terms = (f"-{c}{k}**2" for c in "qp" for k in range(1, 7000))
    header["formulas"]["log_density"] = "".join(terms)[:99_000]


DEMANDS = {
    "hamiltonians": partial(_setting, "hamiltonians", 10**6),
    "hamiltonians beyond integers": partial(_setting, "hamiltonians", 10**18),
    "wide layers": partial(_setting, "hidden", [10**6, 10**6]),
    "many layers": partial(_setting, "hidden", [4] * 10**5),
    "dim": partial(_dim, 10**4),
    "dim beyond memory": partial(_dim, 10**12),
    "dim that a formula spells out": _wide,
}


def pipe(path):
    """Put a pipe at the place of a file: reading it would wait for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path):
    """Put a link to a device that never ends at the place of a file."""
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def folder(path):
    """Put a folder at the place of a file."""
    path.unlink(missing_ok=True)
    path.mkdir()


NO_FILES = {"pipe": pipe, "device": device, "folder": folder}
