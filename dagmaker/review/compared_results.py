"""`dagmaker diff` of two finished runs: numbers side by side with pulls, and their figures on one page."""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dagmaker.columns import Column, table
from dagmaker.plan import templates
from dagmaker.review import side_by_side
from dagmaker.status import summary
from worker.base import shell
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError, SpecError
from worker.rundir import layout

MOST_ROWS = 20
"""Rows in the terminal; --json and --html have all."""
FLUX_KEYS = ("sensitivity.flux_unit", "sensitivity.e0_tev")
_FIGURES = layout.REPORT.parent / "figures"


class Value(NamedTuple):
    """A number of a result and its standard error; None if it has none.

    `ts` is the observed TS that the number is for, None for numbers without one: the error is that of the trials, not
    of the sky.
    """

    value: float
    error: float | None
    ts: float | None = None


class Number(NamedTuple):
    """A number of two runs; None where a run does not have it."""

    quantity: str
    at: str
    before: Value | None
    after: Value | None

    @property
    def same(self) -> bool:
        """Whether both runs have it, with the same bits."""
        return self.before is not None and self.after is not None and self.before.value == self.after.value

    @property
    def pull(self) -> float | None:
        """Difference over the errors added in quadrature; None without two errors, or if two skies have other TS."""
        if self.before is None or self.after is None or self.before.error is None or self.after.error is None:
            return None
        if self.before.ts != self.after.ts:
            return None
        error = math.hypot(self.before.error, self.after.error)
        return (self.after.value - self.before.value) / error if error > 0 else None

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        sides = {"before": self.before, "after": self.after}
        values = {side: None if found is None else found.value for side, found in sides.items()}
        errors = {f"{side}_error": None if found is None else found.error for side, found in sides.items()}
        return {"quantity": self.quantity, "at": self.at, **values, **errors, "pull": self.pull}


@dataclass(frozen=True)
class Compared:
    """Numbers of two runs, and what limits the comparison.

    Attributes
    ----------
    numbers : tuple of Number
        Those that differ first, by the size of their pull.
    """

    numbers: tuple[Number, ...]
    notes: tuple[str, ...]

    @property
    def differing(self) -> list[Number]:
        """Numbers that are not the same in both runs."""
        return [number for number in self.numbers if not number.same]

    def sentence(self) -> str:
        """How many numbers differ, and by how much."""
        pulls = [pull for number in self.differing if (pull := number.pull) is not None]
        text = f"results: {len(self.numbers):,} numbers, {len(self.differing):,} of them differ"
        if pulls:
            rms = math.sqrt(math.fsum(pull**2 for pull in pulls) / len(pulls))
            text += f"; {len(pulls):,} pulls: rms {rms:.2f}, largest {max(map(abs, pulls)):.1f}"
        return text


def compare(a: Path, b: Path, changed: Sequence[str], n_shared: int) -> Compared | None:
    """Compare the results of two runs; None unless both have a summary.

    Parameters
    ----------
    changed : sequence of str
        Changed keys of the spec. Fluxes of another unit or energy are not compared, only n_sig.
    n_shared : int
        Files of trials that are in both plans.
    """
    found = [summary.read(path) if path.is_dir() else None for path in (a, b)]
    if found[0] is None or found[1] is None:
        return None
    notes = ["p-values and upper limits have a pull only where both skies have the same TS"]
    columns: tuple[str, ...] = ("n_sig", "flux")
    if other := [key for key in FLUX_KEYS if key in changed]:
        columns = ("n_sig",)
        notes.append(f"fluxes are not compared: {', '.join(other)} differ")
    if n_shared:
        notes.append(
            f"{n_shared:,} files of trials are the same in both: where a number rests on them, the errors are not "
            "independent, and its pull is too small"
        )
    before, after = (_numbers_of(path, one, columns) for path, one in zip((a, b), found, strict=True))
    numbers = [Number(*key, before.get(key), after.get(key)) for key in dict.fromkeys([*before, *after])]
    numbers.sort(key=lambda number: (number.same, -abs(number.pull or 0.0)))
    return Compared(tuple(numbers), tuple(notes))


def _numbers_of(run: Path, found: Any, columns: Sequence[str]) -> dict[tuple[str, str], Value]:
    try:
        return dict(_numbers(found, columns))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        again = shell.worker("report", f"--run={run}")
        raise InputError(f"{run / layout.SUMMARY}: is not what a report writes ({error!r}): `{again}`") from None


def _numbers(found: Mapping[str, Any], columns: Sequence[str]) -> Iterator[tuple[tuple[str, str], Value]]:
    """Every number that is compared, by quantity and place."""
    labels = found.get("labels") or ["dec_deg"]
    for row in found.get("background") or ():
        yield from _columns("background", _place(row, labels), row, ("ndof",))
        for one in (row.get("tail") or {}).get("thresholds") or ():
            yield from _columns(f"background, {one['n_sigma']:g} sigma", _place(row, labels), one, ("ts",))
    for part in (found, *(found.get("more_spectra") or ())):
        for kind in ("sensitivity", "discovery", "discovery_lower"):
            for row in part.get(kind) or ():
                yield from _columns(_kind(kind, row), _place(row, labels), row, columns)
        gammas = {row["gamma"] for row in part.get("sensitivity") or ()}
        for row in part.get("bias") or ():
            yield from _columns(
                f"bias, gamma {', '.join(f'{gamma:g}' for gamma in gammas)}",
                _place(row, labels),
                row,
                ("slope", "offset"),
            )
    yield from _sky(found, "scrambled sky", columns)
    yield from _sky({**(found.get("unblinded") or {}), "scan": found.get("unblinded")}, "real sky", columns)


def _sky(found: Mapping[str, Any], sky: str, columns: Sequence[str]) -> Iterator[tuple[tuple[str, str], Value]]:
    """Hottest spots, post-trial p-values and upper limits of a sky."""
    spots = (found.get("scan") or {}).get("regions") or {}
    for region, spot in spots.items():
        yield from _columns(f"{sky}, hottest", region, spot, ("ts", "mlog10p"))
    for region, row in (found.get("post_trial_regions") or {}).items():
        yield (f"{sky}, post-trial p", region), Value(row["p"], 0.5 * (row["hi"] - row["lo"]), spots[region]["ts"])
    for spot in (found.get("upper_limits") or {}).get("limits") or ():
        for row in spot["limits"]:
            yield from _columns(f"{sky}, upper limit, gamma {row['gamma']:g}", spot["name"], row, columns, spot["ts"])


def _columns(
    kind: str, at: str, row: Mapping[str, Any], columns: Sequence[str], ts: float | None = None
) -> Iterator[tuple[tuple[str, str], Value]]:
    for column in columns:
        value, error = row.get(column), row.get(f"{column}_error")
        if value is not None:
            yield (f"{kind}: {column}", at), Value(value, error, ts)


def _kind(kind: str, row: Mapping[str, Any]) -> str:
    """What a flux is: equal words for what can be compared."""
    n_sigma = f", {row['nsigma']:g} sigma" if "nsigma" in row else ""
    return f"{kind.removesuffix('_lower')}, {100 * row['beta']:g} %{n_sigma}, gamma {row['gamma']:g}"


def _place(row: Mapping[str, Any], labels: Sequence[str]) -> str:
    values = {label: row[label] for label in labels if label in row}
    if list(values) == ["dec_deg"]:
        return f"dec {values['dec_deg']:+g}"
    return ", ".join(f"{key} {value}" for key, value in values.items())


def cells(number: Number) -> tuple[str, ...]:
    """A row of a table: quantity, place, both numbers, pull."""
    pull = "same" if number.same else "-" if number.pull is None else f"{number.pull:+.1f}"
    return number.quantity, number.at, _text(number.before), _text(number.after), pull


def _text(found: Value | None) -> str:
    if found is None:
        return "-"
    return f"{found.value:.4g}" + ("" if found.error is None else f" ± {found.error:.2g}")


def lines(compared: Compared, width: int | None) -> Iterator[str]:
    """Text for the terminal."""
    yield ""
    yield compared.sentence()
    yield from compared.notes
    rows = [cells(number) for number in compared.differing]
    if rows:
        columns = (
            Column("quantity", 9),
            Column("at", 0, 1),
            *(Column(name, 8) for name in ("first", "second", "pull")),
        )
        yield from table(columns, rows[:MOST_ROWS], width)
    if len(rows) > MOST_ROWS:
        yield f"and {len(rows) - MOST_ROWS:,} more with smaller pulls: --html=FILE or --json"


def write_page(file: Path, runs: tuple[Path, Path], compared: Compared | None, changes: Sequence[Any]) -> None:
    """Write one page with engines, changes of the spec, all numbers, and figures side by side, as part of the page.

    Raises
    ------
    SpecError
        One of the two has no results.
    """
    if compared is None:
        raise SpecError(f"--html: {runs[0]} and {runs[1]} must both be runs with {layout.SUMMARY}")
    names = sorted({figure.name for run in runs for figure in (run / _FIGURES).glob("*.png")})
    figures = [(Path(name).stem, [_image(run / _FIGURES / name) for run in runs]) for name in names]
    timings = [(summary.read(run) or {}).get("timing") or {} for run in runs]
    values = {
        "beside": side_by_side.of_runs(runs, timings),
        "runs": [str(run) for run in runs], "changes": changes, "sentence": compared.sentence(),
        "notes": compared.notes, "rows": [cells(number) for number in compared.numbers], "figures": figures,
    }  # fmt: skip
    text = templates.page("review/diff.html.j2", values) + "\n"
    write_all(file.absolute().parent, [Written(PurePosixPath(file.name), text.encode())])


def _image(file: Path) -> str:
    """A picture as a data URI; empty if there is none."""
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode() if file.is_file() else ""
