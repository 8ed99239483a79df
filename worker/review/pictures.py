"""Pictures of the report against those that are drawn again from the recomputed results.

The same drawing library gives the same bytes. Another one (or another processor) shifts letters and lines a little:
such a picture is compared coarsely, and told.
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
"""Pixels along a side of what is averaged before two pictures are compared coarsely."""
COARSE = 0.2
"""Largest difference of such an average, of the range of brightness, that another drawing library explains."""
_FOLDER = layout.REPORT.parent
_LARGEST = 64_000_000  # bytes of a picture that is read


class Compared(NamedTuple):
    """What came of the pictures.

    Attributes
    ----------
    same : int
        Pictures with the same bytes, or the same pixels.
    wrong : tuple of str
        Files that are not what is drawn here, with the reason.
    near : tuple of str
        Files that are nearly what is drawn here.
    """

    same: int
    wrong: tuple[str, ...]
    near: tuple[str, ...]


def compare(there: Path, here: Path, rounded: bool) -> Compared:
    """Compare every PNG and PDF of the report below `here` with the file of the same name below `there`.

    Parameters
    ----------
    there, here : Path
        Run directories.
    rounded : bool
        Whether numbers that are drawn differ in their last digits: then pixels may.
    """
    same: list[tuple[str, str]] = []
    wrong: list[tuple[str, str]] = []
    near: list[tuple[str, str]] = []
    for path in sorted((here / _FOLDER).rglob("*.png")):
        name = path.relative_to(here).as_posix()
        state = _picture(there / name, path)
        (same if not state else near if state == "near" else wrong).append((name, state))
    if same and near and not rounded:  # the library is the same, since it draws others alike
        wrong += [(name, "its pixels are not those that are drawn from the results") for name, _ in near]
        near = []
    texts = [f"{name}: {why}" for name, why in wrong]
    of_others = {Path(name).stem for name, _ in near}
    for path in sorted((here / _FOLDER).rglob("*.pdf")):
        name = path.relative_to(here).as_posix()
        if _read(there / name) == path.read_bytes():
            same.append((name, ""))
        elif (there / name).is_file() and (rounded or path.stem in of_others):
            near.append((name, "near"))
        else:
            texts.append(f"{name}: its bytes are not those that are drawn from the results")
    return Compared(len(same), tuple(texts), tuple(name for name, _ in near))


def told(found: Compared) -> str:
    """A sentence about pictures that nobody could compare closely; empty where there are none."""
    if not found.near:
        return ""
    names = ", ".join(found.near[:SHOWN]) + (", ..." if len(found.near) > SHOWN else "")
    return (
        f"{len(found.near)} pictures are drawn otherwise by the library here and were compared coarsely (averages of "
        f"{BLOCK} x {BLOCK} pixels; of a PDF only its PNG): look at them beside those of `worker report` ({names})"
    )


def _picture(there: Path, here: Path) -> str:
    """Empty where two PNG show the same; near; or why not."""
    raw = _read(there)
    if not raw:
        return "is missing, or is no picture"
    if raw == here.read_bytes():
        return ""
    one, other = _pixels(raw), _pixels(here.read_bytes())
    if one is None or other is None:
        return "is no picture that can be read"
    if one.shape != other.shape:
        return f"has {one.shape[1]} x {one.shape[0]} pixels, drawn again {other.shape[1]} x {other.shape[0]}"
    if np.array_equal(one, other):
        return ""
    return "near" if _coarse(one, other) <= COARSE else "shows something else than what is drawn from the results"


def _coarse(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest difference of the mean colour of a block."""
    differences = one - other
    rows, columns = (np.arange(0, size, BLOCK) for size in differences.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(differences, rows, axis=0), columns, axis=1)
    n = np.add.reduceat(np.add.reduceat(np.ones(differences.shape[:2]), rows, axis=0), columns, axis=1)
    return float(np.abs(sums / n[..., None]).max())


def _pixels(raw: bytes) -> NDArray[np.float32] | None:
    """Red, green, blue and alpha, 0 to 1, (height, width, 4); None where it is no PNG."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as image:
            return np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def _read(path: Path) -> bytes:
    try:
        return file_bytes(path, _LARGEST)
    except OSError:
        return b""
