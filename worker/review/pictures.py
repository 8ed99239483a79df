"""Compare the pictures of the report with those drawn again from the recomputed results.

The same drawing library gives the same bytes. Another library or processor shifts letters and lines a little; such a
picture is compared coarsely, and the certificate names it.
"""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.finding import SHOWN
from worker.base.reading import file_bytes
from worker.rundir import layout

BLOCK = 16
"""Side in pixels of the blocks that are averaged for a coarse comparison."""
COARSE = 0.2
"""Largest difference of a block average (fraction of the brightness range) that another library can cause."""
_FOLDER = layout.REPORT.parent
_LARGEST = 64_000_000  # bytes of a picture that is read


class PictureComparison(NamedTuple):
    """Number of pictures with equal bytes or pixels, different pictures with the reason, and nearly equal ones."""

    same: int
    wrong: tuple[str, ...]
    near: tuple[str, ...]


def compare(run: Path, redrawn: Path, rounded: bool) -> PictureComparison:
    """Compare every PNG and PDF of the report in the run directory `redrawn` with that of the same name in `run`.

    Parameters
    ----------
    rounded : bool
        Whether drawn numbers differ in their last digits; then pixels may differ.
    """
    same: list[tuple[str, str]] = []
    wrong: list[tuple[str, str]] = []
    near: list[tuple[str, str]] = []
    for path in sorted((redrawn / _FOLDER).rglob("*.png")):
        name = path.relative_to(redrawn).as_posix()
        state = _png_state(run / name, path)
        (same if not state else near if state == "near" else wrong).append((name, state))
    if same and near and not rounded:  # the library is the same, since it draws others alike
        wrong += [(name, "its pixels are not those that are drawn from the results") for name, _ in near]
        near = []
    texts = [f"{name}: {why}" for name, why in wrong]
    of_others = {Path(name).stem for name, _ in near}
    for path in sorted((redrawn / _FOLDER).rglob("*.pdf")):
        name = path.relative_to(redrawn).as_posix()
        if _file_or_empty(run / name) == path.read_bytes():
            same.append((name, ""))
        elif (run / name).is_file() and (rounded or path.stem in of_others):
            near.append((name, "near"))
        else:
            texts.append(f"{name}: its bytes are not those that are drawn from the results")
    return PictureComparison(len(same), tuple(texts), tuple(name for name, _ in near))


def coarse_note(result: PictureComparison) -> str:
    """Sentence about the pictures that were compared only coarsely; empty if there are none."""
    if not result.near:
        return ""
    names = ", ".join(result.near[:SHOWN]) + (", ..." if len(result.near) > SHOWN else "")
    return (
        f"{len(result.near)} pictures are drawn otherwise by the library here and were compared coarsely (averages of "
        f"{BLOCK} x {BLOCK} pixels; of a PDF only its PNG): look at them beside those of `worker report` ({names})"
    )


def _png_state(stored: Path, redrawn: Path) -> str:
    """Empty if two PNG files show the same, "near", or how they differ."""
    raw = _file_or_empty(stored)
    if not raw:
        return "is missing, or is no picture"
    if raw == redrawn.read_bytes():
        return ""
    one, other = _pixels(raw), _pixels(redrawn.read_bytes())
    if one is None or other is None:
        return "is no picture that can be read"
    if one.shape != other.shape:
        return f"has {one.shape[1]} x {one.shape[0]} pixels, drawn again {other.shape[1]} x {other.shape[0]}"
    if np.array_equal(one, other):
        return ""
    return (
        "near"
        if _block_difference(one, other) <= COARSE
        else "shows something else than what is drawn from the results"
    )


def _block_difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest difference of the mean colour of a block."""
    differences = one - other
    rows, columns = (np.arange(0, size, BLOCK) for size in differences.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(differences, rows, axis=0), columns, axis=1)
    n = np.add.reduceat(np.add.reduceat(np.ones(differences.shape[:2]), rows, axis=0), columns, axis=1)
    return float(np.abs(sums / n[..., None]).max())


def _pixels(raw: bytes) -> NDArray[np.float32] | None:
    """Red, green, blue and alpha, 0 to 1, (height, width, 4); None if it is no valid PNG."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as image:
            return np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def _file_or_empty(path: Path) -> bytes:
    try:
        return file_bytes(path, _LARGEST)
    except OSError:
        return b""
