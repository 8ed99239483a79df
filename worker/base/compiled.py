"""Decorators that compile functions with numba: cached, with numpy's division and without a C wrapper."""

import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "no_cfunc_wrapper": True}
_SUM = hashlib.sha256
_messages: set[str] = set()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function."""
    return cached(function, **_OPTIONS)


def part(function: Callable[..., Any]) -> Any:
    """Compile a function inline, which compiles faster if a single kernel calls it, and slower if several do."""
    return cached(function, inline="always", **_OPTIONS)


def cached(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function with numba's `options`, and cache its code on disk.

    If the cache cannot be read or written, the function is compiled again and a line is printed to stderr.
    """
    _compile_always()
    dispatcher = njit(**options)(function)
    try:
        dispatcher._cache = _Cache(function)
    except (OSError, RuntimeError):  # numba finds no folder that can be written
        _note(
            f"no folder for compiled code can be written (NUMBA_CACHE_DIR, {Path(__file__).parent}, ~/.cache/numba): "
            "every process compiles anew; name a folder: export NUMBA_CACHE_DIR=DIR"
        )
    return dispatcher


class _CacheFile(IndexDataCacheFile):
    """Compiled code with its checksum, which numba does not have: a flipped bit could change a result."""

    def _save_data(self, name: str, data: Any) -> None:
        raw = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(_SUM(raw).digest() + raw)

    def _load_data(self, name: str) -> Any:
        data = Path(self._data_path(name)).read_bytes()
        size = _SUM().digest_size
        if _SUM(data[size:]).digest() != data[:size]:
            raise ValueError(f"{name} is damaged")
        return pickle.loads(data[size:])


class _Cache(FunctionCache):
    """numba's cache of one function; if its files are damaged, it prints a line per folder and compiles again."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._damaged = False
        self._cache_file = _CacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}.sha256",
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for a signature; None if there is no usable one."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # a damaged pickle raises whatever it likes
            self._damaged = True
            _note(
                f"{self._cache_path}: compiled code in this folder cannot be used",
                f" ({_cause(error)}); it is compiled anew, which changes no result",
            )
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the code for a signature, if the disk permits; a damaged index is replaced."""
        try:
            if self._damaged:
                self.flush()
            super().save_overload(sig, data)
        except Exception as error:
            _note(
                f"{self._cache_path}: compiled code cannot be kept in this folder",
                f" ({_cause(error)}); every process compiles anew, which changes no result; free some space, or name "
                "another folder: export NUMBA_CACHE_DIR=DIR",
            )


def _compile_always() -> None:
    """Overrule NUMBA_DISABLE_JIT (also set by .numba_config.yaml in the current directory)."""
    settings: Any = config
    if settings.DISABLE_JIT:
        settings.DISABLE_JIT = 0
        _note("NUMBA_DISABLE_JIT is set and ignored: without compilation a trial takes a thousand times as long")


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _note(text: str, detail: str = "") -> None:
    """Print a line to stderr; the same text once per process, with its first detail."""
    if text not in _messages:
        _messages.add(text)
        print(f"note: {text}{detail}", file=sys.stderr, flush=True)
