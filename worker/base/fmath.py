"""Elementary functions from IEEE-754 basic operations alone: the same last bit on every machine.

libm and numpy's SIMD loops differ in the last bit between C libraries and processors. These functions use
only + - * / sqrt and bit moves, without fused multiply-add; their error is about one ulp.
Polynomials: fdlibm (log, asin) and Taylor series on reduced ranges (exp, sin, cos).
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from worker.base.compiled import kernel, part

_INV_LN2 = 1.4426950408889634
_LN2_HI = 6.93147180369123816490e-01
_LN2_LO = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer in the low mantissa bits
_PI = 3.141592653589793
_HALF_PI = 1.5707963267948966
_SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
_52 = np.int64(52)
ANGLE_SERIES = 0.2  # squared chord up to which the angle is computed by its series


@intrinsic
def float_bits(typingctx, x):  # type: ignore[no-untyped-def]  # noqa: ARG001 (numba's interface)
    """The int64 with the bits of a float64."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def bits_float(typingctx, n):  # type: ignore[no-untyped-def]  # noqa: ARG001 (numba's interface)
    """The float64 with the bits of an int64."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


_bits: Any = float_bits  # the type checker does not know that numba supplies the first argument
_float: Any = bits_float


@kernel
def exp(x):  # type: ignore[no-untyped-def]
    """e**x; 0 below -700, and x is taken as 700 above that."""
    y = min(max(x, -700.0), 700.0)
    shifted = y * _INV_LN2 + _ROUND
    k = shifted - _ROUND
    r = (y - k * _LN2_HI) - k * _LN2_LO
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    # The low bits of `shifted` are k in two's complement: moved up, they add k to the exponent.
    scaled = _float(_bits(p) + (_bits(shifted) << _52))
    return scaled if x > -700.0 else 0.0


@kernel
def log(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a positive, normal number (fdlibm's e_log.c, branch-free)."""
    bits = _bits(x)
    k = (bits - _SQRT_HALF_BITS) >> _52
    f = _float(bits - (k << _52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    t1 = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    t2 = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half = 0.5 * f * f
    dk = np.float64(k)
    return dk * _LN2_HI - ((half - (s * (half + t1 + t2) + dk * _LN2_LO)) - f)


@kernel
def sin(x):  # type: ignore[no-untyped-def]
    """Sine for abs(x) <= pi / 2 (Taylor to x**21)."""
    z = x * x
    p = 1.0 / 51090942171709440000.0
    p = p * z - 1.0 / 121645100408832000.0
    p = p * z + 1.0 / 355687428096000.0
    p = p * z - 1.0 / 1307674368000.0
    p = p * z + 1.0 / 6227020800.0
    p = p * z - 1.0 / 39916800.0
    p = p * z + 1.0 / 362880.0
    p = p * z - 1.0 / 5040.0
    p = p * z + 1.0 / 120.0
    p = p * z - 1.0 / 6.0
    return x + x * (z * p)


@kernel
def cos(x):  # type: ignore[no-untyped-def]
    """Cosine for abs(x) <= pi / 2, never below 0."""
    s = sin(0.5 * x)
    return max(1.0 - 2.0 * s * s, 0.0)


@part
def sincos_turns(u):  # type: ignore[no-untyped-def]
    """Sine and cosine of 2 pi u, for 0 <= u <= 1; exact reduction to half a turn."""
    v = u - 0.5  # sin(2 pi u) = -sin(2 pi v), abs(2 pi v) <= pi
    s = sin(_PI * v)  # of half the angle
    c = sin(_PI * (0.5 - abs(v)))  # its cosine
    return -2.0 * s * c, -(1.0 - 2.0 * s * s)


@kernel
def _asin_small(x):  # type: ignore[no-untyped-def]
    """Arc sine for abs(x) <= 0.5 (fdlibm's e_asin.c)."""
    t = x * x
    p = t * (
        1.66666666666666657415e-01
        + t
        * (
            -3.25565818622400915405e-01
            + t
            * (
                2.01212532134862925881e-01
                + t * (-4.00555345006794114027e-02 + t * (7.91534994289814532176e-04 + t * 3.47933107596021167570e-05))
            )
        )
    )
    q = 1.0 + t * (
        -2.40339491173441421878
        + t * (2.02094576023350569471 + t * (-6.88283971605453293030e-01 + t * 7.70381505559019352791e-02))
    )
    return x + x * (p / q)


@kernel
def asin(x):  # type: ignore[no-untyped-def]
    """Arc sine for 0 <= x <= 1."""
    if x <= 0.5:
        return _asin_small(x)
    return _HALF_PI - 2.0 * _asin_small(math.sqrt(0.5 * (1.0 - min(x, 1.0))))


@kernel
def angle2_from_chord2(c2):  # type: ignore[no-untyped-def]
    """Square of the angle between two unit vectors whose difference has the square `c2`.

    psi**2 = 4 asin(c / 2)**2 as its series in c**2 (stable at 0) up to 26 deg, beyond that directly.
    """
    return angle2_far(c2) if c2 > ANGLE_SERIES else angle2_near(c2)


@kernel
def angle2_far(c2):  # type: ignore[no-untyped-def]
    """`angle2_from_chord2` for c2 > ANGLE_SERIES."""
    a = 2.0 * asin(0.5 * math.sqrt(c2))
    return a * a


@kernel
def angle2_near(c2):  # type: ignore[no-untyped-def]
    """`angle2_from_chord2` for c2 <= ANGLE_SERIES, without a branch."""
    p = 1.0 / 42678636.0
    p = p * c2 + 1.0 / 9237800.0
    p = p * c2 + 1.0 / 1969110.0
    p = p * c2 + 1.0 / 411840.0
    p = p * c2 + 1.0 / 84084.0
    p = p * c2 + 1.0 / 16632.0
    p = p * c2 + 1.0 / 3150.0
    p = p * c2 + 1.0 / 560.0
    p = p * c2 + 1.0 / 90.0
    p = p * c2 + 1.0 / 12.0
    return c2 + c2 * (c2 * p)


@part
def angles2(n, c2, out):  # type: ignore[no-untyped-def]
    """`angle2_from_chord2` of n values, into `out`: first all as near ones, in a loop without branches."""
    for j in range(n):
        out[j] = angle2_near(c2[j])
    for j in range(n):
        if c2[j] > ANGLE_SERIES:
            out[j] = angle2_far(c2[j])
