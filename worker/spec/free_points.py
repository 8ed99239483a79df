"""The list ``points`` of a spec: points by labels that the engine understands, such as ``{dec_deg: 5}``."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from worker.base.bounds import MAX_DECS, MAX_NAME
from worker.spec import levels
from worker.spec.fields import Affects, Model, refuse
from worker.spec.point import Labels, Point, SourceModel, Value

LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
LARGEST = 1e12
_COLUMNS = (
    "acceptance_factor add added beta bias bounded chi2 curve discovery dof engine error eta file first flux "
    "flux_error gamma gamma_median joint k k_max key kind level limits loc log_w median method method_reason n n_eff "
    "n_effective n_sig n_sig_error n_sig_is n_trials name ndof ndof_error ns ns_error ns_mean ns_median nsigma "
    "mlog10p offset offset_error p p_error p_hi p_interpolation_error p_lo p_way "
    "params part point points poisson quantities quantity reason round rows run "
    "scale seed sensitivity slope slope_error state strata tail task threshold threshold_error threshold_share "
    "thresholds ts ts_3sigma ts_5sigma ts_error unit wanted what"
)
RESERVED = frozenset(_COLUMNS.split())
"""Names of columns in results and of arguments of tasks, which no label may have."""

LABELS: dict[str, frozenset[str] | None] = {"builtin": frozenset({"dec_deg"}), "plugin": None}
"""Labels that each engine reads, all of which a point must have; None: any."""


class FreePoint(Model):
    """One point: labels with numbers or texts."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"additionalProperties": {"type": ["number", "string"]}, "minProperties": 1},
    )

    @model_validator(mode="before")
    @classmethod
    def _labels(cls, labels: Any) -> Any:
        if not isinstance(labels, Mapping):
            return labels  # pydantic's message
        refuse(*_faults(labels))
        return {key: value if isinstance(value, str) else float(value) + 0.0 for key, value in labels.items()}

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.labels:
            refuse(("", "found a point without labels; write e.g. {dec_deg: 5}"))
        return self

    def __hash__(self) -> int:
        """Hash the labels."""
        return hash(self.labels)

    @property
    def labels(self) -> Labels:
        """Labels and values, in the order of the spec."""
        return tuple((self.model_extra or {}).items())


FreePoints = Annotated[
    tuple[FreePoint, ...],
    Field(max_length=MAX_DECS, strict=False),
    Affects("points: files of the others stay"),
]


def _faults(labels: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for key, value in labels.items():
        if not isinstance(key, str) or not LABEL.fullmatch(key) or key in RESERVED:
            why = "is a column of the results" if key in RESERVED else "must be lower-case letters, digits and _"
            yield "", f"found the label {str(key)[:40]!r}; it {why}: write another name, such as {{window_days: 100}}"
        elif isinstance(value, str):
            if not TEXT.fullmatch(value):
                rule = "a text must be at most 64 letters, digits and _ . + -, beginning with a letter or a digit"
                yield key, f"found {value[:40]!r}; {rule}: it names a folder"
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            shown = str(value).lower() if isinstance(value, bool) else repr(value)
            yield key, f"found {shown:.40}; must be a number up to {LARGEST:g}, or a text"
        elif key == "ra_deg" and not 0 <= value <= 360:
            yield key, f"found {value:g}; a right ascension is between 0 and 360 degrees"
        elif key == "dec_deg" and abs(value) > 90:
            yield key, f"found {value:g}; a declination is between -90 and 90 degrees"


def faults(points: Sequence[FreePoint], engine: str, skies: bool) -> Iterator[tuple[str, str]]:
    """Key and sentence of each fault of the list: labels that the engine does not read, and equal names.

    With `skies` the built-in engine also reads where in a sky a point is.
    """
    known = LABELS[engine]
    example = "{dec_deg: 5, ra_deg: 77.4}" if skies else "{dec_deg: 5}"
    if known is not None and skies:
        known |= {"ra_deg"}
    for i, point in enumerate(points):
        labels = {key for key, _ in point.labels}
        if known is not None and labels != known:
            text = f"found the labels {', '.join(sorted(labels))}; the engine {engine} reads {', '.join(sorted(known))}"
            yield f"points.{i}", f"{text}: write e.g. {example}"
    seen: dict[str, int] = {}
    for i, point in enumerate(points):
        name = levels.word(name_of(point.labels))
        if name in seen:
            yield f"points.{i}", f"has the same name as point {seen[name] + 1} of the list, {name}; write each once"
        seen.setdefault(name, i)
        if len(name) > MAX_NAME:
            yield (
                f"points.{i}",
                f"its name would have {len(name)} characters, the most is {MAX_NAME}: shorten the labels",
            )


def name_of(labels: Labels) -> str:
    """Name of the folder of a point: ``dec_deg_5__window_days_100``, by label."""
    return "__".join(
        f"{key}_{value if isinstance(value, str) else levels.exact(value)}" for key, value in sorted(labels)
    )


def all_points(points: Sequence[FreePoint], extension_deg: float) -> tuple[Point, ...]:
    """The points in the order of the spec."""
    return _points(tuple(point.labels for point in points), extension_deg)


def named(points: Sequence[FreePoint], name: str, extension_deg: float) -> Point | None:
    """The point with this name; None if there is none."""
    return _by_name(tuple(point.labels for point in points), extension_deg).get(name)


@lru_cache(maxsize=4)
def _points(all_labels: tuple[Labels, ...], extension_deg: float) -> tuple[Point, ...]:
    return tuple(_point(labels, extension_deg) for labels in all_labels)


@lru_cache(maxsize=4)
def _by_name(all_labels: tuple[Labels, ...], extension_deg: float) -> dict[str, Point]:
    return {point.folder.name: point for point in _points(all_labels, extension_deg)}


def _point(labels: Labels, extension_deg: float) -> Point:
    """The address is that of the sorted labels: their order in the spec has no effect on trials."""
    address: tuple[Value, ...] = tuple(part for label in sorted(labels) for part in label)
    name, dec = name_of(labels), dict(labels).get("dec_deg")
    sources = () if dec is None or isinstance(dec, str) else (math.radians(dec),)
    model = SourceModel(sources, (math.radians(extension_deg),) * len(sources))
    return Point(address, PurePosixPath("point") / name, {"point": name}, dict(labels), model)
