"""Arrays as bytes and back: ``.npy`` and ``.npz``, deterministic, without pickles, every byte accounted for."""

import math
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's first date: no clock in a result


class BadFormatError(Exception):
    """The bytes are not a whole, plain array file; the text says why."""


def npy_bytes(array: NDArray[Any]) -> bytes:
    """The array as a ``.npy`` file.

    Raises
    ------
    ValueError
        For arrays of Python objects, which would need pickle.
    """
    buffer = BytesIO()
    npy_format.write_array(buffer, np.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)
    return buffer.getvalue()


def npz_bytes(arrays: Mapping[str, NDArray[Any]], compress: bool = False) -> bytes:
    """The arrays as an ``.npz`` file, by name in sorted order, without dates."""
    buffer = BytesIO()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.compress_type = method
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, npy_bytes(np.asarray(arrays[name])))
    return buffer.getvalue()


def parse_npy(raw: bytes) -> NDArray[Any]:
    """Read a ``.npy`` file; raise BadFormatError if it is truncated or has bytes after its end."""
    header = npy_header(BytesIO(raw), len(raw))
    flat = np.frombuffer(raw, dtype=header.dtype, count=math.prod(header.shape), offset=header.start).copy()
    return flat.reshape(header.shape, order=header.order)


class NpyHeader(NamedTuple):
    """Shape, type and order of the array in a ``.npy`` file; its data begin at byte `start`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    start: int


def npy_header(file: BinaryIO, size: int) -> NpyHeader:
    """Return the header of a ``.npy`` file; raise BadFormatError unless it describes a file of `size` bytes."""
    try:
        version = npy_format.read_magic(file)
        read_header = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}[version]
        shape, fortran_order, dtype = read_header(file)
    except Exception as error:  # numpy gives a damaged header to Python's own parser, which fails in many ways
        raise BadFormatError(f"it does not begin as a .npy file of {size} bytes should ({_first(error)})") from None
    if dtype.hasobject:
        raise BadFormatError("it holds Python objects, which are never loaded")
    if dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise BadFormatError(f"its header promises entries of {dtype.itemsize} bytes in the shape {shape}")
    count = math.prod(shape)  # Python integers: a damaged header must not overflow
    start = file.tell()
    if size - start != count * dtype.itemsize:
        raise BadFormatError(
            f"its header promises {count} x {dtype.itemsize} bytes, and {size - start} follow (truncated?)"
        )
    return NpyHeader(shape, dtype, "F" if fortran_order else "C", start)


def parse_npz(raw: bytes) -> dict[str, NDArray[Any]]:
    """Read an ``.npz`` file; raise BadFormatError if it is damaged (every member is checked against its checksum)."""
    try:
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            return {info.filename.removesuffix(".npy"): parse_npy(archive.read(info)) for info in archive.infolist()}
    except BadFormatError:
        raise
    except Exception as error:  # a damaged archive fails in a dozen ways, some of them bare RuntimeErrors
        raise BadFormatError(f"it is not a whole .npz file ({_first(error)})") from None


def _first(error: Exception) -> str:
    """The first line of an error's text, at most 100 characters."""
    lines = str(error).splitlines()
    return lines[0][:100] if lines else type(error).__name__
