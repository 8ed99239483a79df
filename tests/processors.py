"""The environments in which this machine computes as an older x86-64 processor would."""

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


def numpy_without(name: str) -> str:
    """Numpy's vector loops that this machine would use and such a processor lacks."""
    from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
        __cpu_dispatch__,
        __cpu_features__,
    )

    return " ".join(loop for loop in __cpu_dispatch__ if __cpu_features__[loop] and loop not in NUMPY_KEEPS[name])


def environment(name: str) -> dict[str, str]:
    """What a process needs to compute as such a processor."""
    return PROCESSORS[name] | {"NPY_DISABLE_CPU_FEATURES": numpy_without(name)}
