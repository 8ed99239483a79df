"""The environments in which this machine computes as an older x86-64 processor would."""

from collections.abc import Collection

# What OpenBLAS, numpy and glibc choose by the processor that they find.
PROCESSORS = {
    "baseline": {
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CPU_FEATURES": "",
        "OPENBLAS_CORETYPE": "Prescott",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4",
    },
    "haswell": {"NUMBA_CPU_NAME": "haswell", "OPENBLAS_CORETYPE": "Haswell"},
}
NUMPY_KEEPS: dict[str, tuple[str, ...]] = {"baseline": (), "haswell": ("AVX", "F16C", "FMA3", "AVX2", "X86_V3")}


def numpy_without(keep: Collection[str]) -> str:
    """Numpy's vector loops that this machine would use, less those to keep."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name] and name not in keep)
