"""Compiled parser of lines of decimal numbers; the published response files have 598 MB.

The parser checks every field of every line. Numbers of up to 15 digits and exponents to 22 are correctly rounded
(mantissa and power of ten are both exact doubles); longer ones are right to 1e-14.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from worker.base.compiled import cached

OK, NOT_A_NUMBER, TOO_FEW, TOO_MANY = 0, 1, 2, 3

_POWERS = 10.0 ** np.arange(23)
_NEWLINE, _HASH, _PLUS, _MINUS, _DOT, _ZERO, _NINE, _SMALL_E, _LARGE_E = 10, 35, 43, 45, 46, 48, 57, 101, 69
_MANTISSA_MAX = 10**17
_parser = partial(cached, nogil=True)


@_parser
def _is_blank(c: int) -> bool:
    # space, tab, carriage return, and the comma of comma-separated tables
    return c in (32, 9, 13, 44)


@_parser
def _scaled(mantissa: int, exponent: int) -> float:
    value = float(mantissa)
    if 0 <= exponent <= 22:
        value *= _POWERS[exponent]
    elif -22 <= exponent < 0:
        value /= _POWERS[-exponent]
    else:
        value *= 10.0**exponent
    return value


@_parser
def _exponent(buf: NDArray[np.uint8], i: int) -> tuple[int, int]:
    """Exponent after an ``e`` at i - 1, and the index behind it; -1 if there are no digits."""
    negative = buf[i] == _MINUS
    if negative or buf[i] == _PLUS:
        i += 1
    first, value = i, 0
    while _ZERO <= buf[i] <= _NINE:
        value = min(value * 10 + (buf[i] - _ZERO), 9999)
        i += 1
    if i == first:
        return 0, -1
    return (-value if negative else value), i


@_parser
def _number(buf: NDArray[np.uint8], i: int) -> tuple[float, int]:
    """Value of the number that starts at i, and the index behind it; -1 if there is no number."""
    negative = buf[i] == _MINUS
    if negative or buf[i] == _PLUS:
        i += 1
    mantissa, exponent, digits, fraction = 0, 0, 0, False
    while True:
        c = buf[i]
        if _ZERO <= c <= _NINE:
            digits += 1
            if mantissa < _MANTISSA_MAX:
                mantissa = mantissa * 10 + (c - _ZERO)
                exponent -= fraction
            else:
                exponent += not fraction
        elif c == _DOT and not fraction:
            fraction = True
        else:
            break
        i += 1
    if digits == 0:
        return 0.0, -1
    if buf[i] == _SMALL_E or buf[i] == _LARGE_E:
        power, i = _exponent(buf, i + 1)
        exponent += power
    value = _scaled(mantissa, exponent) if mantissa else 0.0
    return (-value if negative else value), i


@_parser
def _line(buf: NDArray[np.uint8], i: int, row: NDArray[np.float64]) -> tuple[int, int]:
    """Fill row from the line at i: error code and the place where reading stopped."""
    n = 0
    while True:
        while _is_blank(buf[i]):
            i += 1
        if buf[i] == _NEWLINE:
            return (OK if n == row.size else TOO_FEW), i
        if n == row.size:
            return TOO_MANY, i
        value, end = _number(buf, i)
        if end < 0 or not (_is_blank(buf[end]) or buf[end] == _NEWLINE) or not np.isfinite(value):
            return NOT_A_NUMBER, i
        row[n] = value
        n, i = n + 1, end


@_parser
def parse_lines(
    buf: NDArray[np.uint8],
    stop: int,
    n_key: int,
    last: NDArray[np.float64],
    rows: NDArray[np.float64],
    lines: NDArray[np.int64],
) -> tuple[int, int, int, int]:
    """Parse the lines in ``buf[:stop]`` (whole lines, each with its line end) into ``rows``.

    With ``n_key`` > 0 a line whose last field is 0 is kept only if its first ``n_key`` fields differ from those of
    the line before: zero weights are dropped, but every bin of the grid keeps a line.

    Parameters
    ----------
    buf : ndarray, uint8
    last : ndarray (n_columns,)
        The line before; updated, so that a file can be parsed in pieces. Start it with NaN.
    rows : ndarray (m, n_columns), lines : ndarray (m,)
        Filled with kept rows and with their line numbers (0 = the first line of buf).

    Returns
    -------
    kept, n_lines, code, place : int
        Rows kept, lines passed, error code (0: none) and the byte at which the error stands.
    """
    i, n_lines, kept = 0, 0, 0
    row = np.empty_like(last)
    while i < stop:
        while _is_blank(buf[i]):
            i += 1
        if buf[i] == _HASH:
            while buf[i] != _NEWLINE:
                i += 1
        if buf[i] != _NEWLINE:
            code, i = _line(buf, i, row)
            if code != OK:
                return kept, n_lines, code, i
            if n_key == 0 or row[-1] != 0.0 or (row[:n_key] != last[:n_key]).any():
                rows[kept] = row
                lines[kept] = n_lines
                kept += 1
            last[:] = row
        i += 1
        n_lines += 1
    return kept, n_lines, OK, 0
