"""A `Dataset` as a few compact arrays and back, bit for bit.

The arrays of the `Dataset` are restored exactly: published decimals are kept as integers only if that gives the same
float32, and cells as indices into the edges of their bin.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.data.dataset import F32, Dataset, EffectiveArea, Events, GoodRuns, Season, Simulation, Smearing

AnyArray = NDArray[Any]
Arrays = dict[str, AnyArray]

FORMAT = 1
_GROUPS = {"log_e": (0, 1), "psi": (2, 3), "sigma": (4, 5), "weight": (6,)}


class _Decimal(NamedTuple):
    """Rounding of a published column: steps per unit, and whether the unit is the degree."""

    per_unit: int
    degrees: bool


_EVENT_COLUMNS = {"dec": _Decimal(1000, True), "sigma": _Decimal(100, True), "log_e": _Decimal(100, False)}


def pack(dataset: Dataset) -> Arrays:
    """Arrays of a data set for ``store.save_arrays``; responses that seasons share are stored once."""
    arrays: Arrays = {}
    areas: dict[str, int] = {}
    smearings: dict[str, int] = {}
    seasons = []
    for i, season in enumerate(dataset.seasons):
        area = areas.setdefault(_digest(season.area._asdict()), len(areas))
        smearing = smearings.setdefault(_digest(season.smearing._asdict()), len(smearings))
        if f"area{area}.area_cm2" not in arrays:
            arrays |= _prefixed(f"area{area}", season.area._asdict())
        if f"smearing{smearing}.start" not in arrays:
            arrays |= _prefixed(f"smearing{smearing}", _pack_smearing(season.smearing))
        arrays |= _prefixed(f"season{i}", _pack_events(season.events))
        if season.runs is not None:
            arrays |= _prefixed(f"season{i}.runs", season.runs._asdict())
        if season.hour_angle is not None:
            arrays[f"season{i}.hour_angle"] = season.hour_angle
        seasons.append(
            {
                "name": season.name,
                "livetime_days": season.livetime_days,
                "notes": list(season.notes),
                "area": area,
                "smearing": smearing,
            }
        )
    meta = {"format": FORMAT, "label": dataset.label, "seasons": seasons}
    arrays["meta"] = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
    return arrays


def unpack(arrays: Mapping[str, AnyArray]) -> Dataset:
    """Inverse of `pack`; shared responses are one object.

    Raises
    ------
    InputError
        The arrays are not those of `pack` of this version.
    """
    try:
        meta = json.loads(np.asarray(arrays["meta"], np.uint8).tobytes())
        if meta["format"] != FORMAT:
            raise InputError(
                f"prepared data: format {meta['format']!r}, this version reads {FORMAT}. "
                "Remove it and run `worker prepare`"
            )
        areas = {k: _unpack_area(arrays, k) for k in {s["area"] for s in meta["seasons"]}}
        smearings = {k: _unpack_smearing(arrays, k) for k in {s["smearing"] for s in meta["seasons"]}}
        seasons = tuple(
            Season(
                name=s["name"],
                livetime_days=float(s["livetime_days"]),
                events=_unpack_events(arrays, i),
                area=areas[s["area"]],
                smearing=smearings[s["smearing"]],
                notes=tuple(s["notes"]),
                runs=_unpack_runs(arrays, i),
                hour_angle=arrays.get(f"season{i}.hour_angle"),
            )
            for i, s in enumerate(meta["seasons"])
        )
        return Dataset(meta["label"], seasons)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(
            f"prepared data: not what `worker prepare` writes ({type(error).__name__}: {error}). "
            "Remove it and run `worker prepare`"
        ) from None


def content_digest(dataset: Dataset, timed: bool = False) -> str:
    """Return the sha256 of all data on which trials depend: names, livetimes, events, responses.

    It does not depend on the file format, so that old trials stay valid with a new one. Good runs are in it only if a
    hypothesis about time needs them (`timed`): all other trials depend on their livetime alone.
    """
    arrays: Arrays = {}
    for i, season in enumerate(dataset.seasons):
        own = {
            "name": np.frombuffer(season.name.encode(), np.uint8),
            "livetime_days": np.float64(season.livetime_days).reshape(1),
            **season.events._asdict(),
        }
        arrays |= _prefixed(f"{i}.season", own)
        arrays |= _prefixed(f"{i}.area", season.area._asdict())
        arrays |= _prefixed(f"{i}.smearing", season.smearing._asdict())
        if timed and season.runs is not None:
            arrays |= _prefixed(f"{i}.runs", season.runs._asdict())
        if timed and season.hour_angle is not None:
            arrays[f"{i}.hour_angle"] = season.hour_angle
    return _digest(arrays)


def _digest(arrays: Mapping[str, AnyArray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _prefixed(prefix: str, arrays: Mapping[str, AnyArray]) -> Arrays:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def _unpack_area(arrays: Mapping[str, AnyArray], k: int) -> EffectiveArea:
    return EffectiveArea(*(arrays[f"area{k}.{name}"] for name in EffectiveArea._fields))


def _smallest(values: AnyArray) -> AnyArray:
    """Cast integers to the smallest type that holds them."""
    lo, hi = (int(values.min()), int(values.max())) if values.size else (0, 0)
    small: AnyArray = values.astype(np.result_type(np.min_scalar_type(lo), np.min_scalar_type(hi)))
    return small


def _unpack_runs(arrays: Mapping[str, AnyArray], i: int) -> GoodRuns | None:
    """Return None if the release has no times, or the file was prepared before good runs were kept."""
    if f"season{i}.runs.start" not in arrays:
        return None
    return GoodRuns(*(arrays[f"season{i}.runs.{name}"] for name in GoodRuns._fields))


# Events: integers of the published decimals, the sorted declinations as differences.


def _floats(codes: AnyArray, decimal: _Decimal) -> F32:
    values = codes / float(decimal.per_unit)  # division by an integer gives the double that the decimal text gives
    return np.asarray(np.deg2rad(values) if decimal.degrees else values).astype(np.float32)


def _codes(values: F32, decimal: _Decimal) -> AnyArray:
    """Return integers that give the values back exactly; the values themselves if there are none."""
    exact = np.rad2deg(values.astype(np.float64)) if decimal.degrees else values.astype(np.float64)
    codes = np.rint(exact * decimal.per_unit).astype(np.int64)
    same = np.array_equal(_floats(codes, decimal).view(np.uint32), values.view(np.uint32))
    return codes if same else values


def _pack_events(events: Events) -> Arrays:
    arrays: Arrays = {}
    for name, decimal in _EVENT_COLUMNS.items():
        codes = _codes(getattr(events, name), decimal)
        if codes.dtype == np.float32:
            arrays[f"{name}.values"] = codes
        elif name == "dec":
            arrays["dec.first"] = codes[:1]
            arrays["dec.steps"] = _smallest(np.diff(codes))
        else:
            arrays[f"{name}.codes"] = _smallest(codes)
    return arrays


def _unpack_events(arrays: Mapping[str, AnyArray], i: int) -> Events:
    out = {}
    for name, decimal in _EVENT_COLUMNS.items():
        prefix = f"season{i}.{name}"
        if f"{prefix}.values" in arrays:
            out[name] = np.asarray(arrays[f"{prefix}.values"], np.float32)
        elif name == "dec":
            steps = np.concatenate([arrays[f"{prefix}.first"], arrays[f"{prefix}.steps"]])
            out[name] = _floats(np.cumsum(steps, dtype=np.int64), decimal)
        else:
            out[name] = _floats(arrays[f"{prefix}.codes"], decimal)
    return Events(**out)


# Smearing: the cells of one (E_nu, dec) bin use few distinct edges and weights, so each is a small index.


def _pack_smearing(smearing: Smearing | Simulation) -> Arrays:
    if isinstance(smearing, Simulation):
        return smearing._asdict()  # cannot be packed
    counts = np.diff(smearing.start)
    number = np.repeat(np.arange(len(counts)), counts)
    arrays: Arrays = {"log_e_nu": smearing.log_e_nu, "dec": smearing.dec, "start": smearing.start}
    for name, columns in _GROUPS.items():
        bits = np.ascontiguousarray(smearing.cells[:, columns]).view(np.uint32)
        keyed = np.column_stack([number.astype(np.uint32), bits])
        order = np.lexsort(keyed.T[::-1])
        new = np.append(True, (np.diff(keyed[order], axis=0) != 0).any(axis=1))[: len(order)]
        rank = np.empty(len(order), np.int64)
        rank[order] = np.cumsum(new) - 1
        table = keyed[order][new]
        first = np.searchsorted(table[:, 0], np.arange(len(counts) + 1))
        arrays[f"{name}.table"] = np.ascontiguousarray(table[:, 1:]).view(np.float32)
        arrays[f"{name}.first"] = first.astype(np.int64)
        arrays[f"{name}.index"] = _smallest(rank - first[number])
    return arrays


def _unpack_smearing(arrays: Mapping[str, AnyArray], k: int) -> Smearing | Simulation:
    def get(name: str) -> AnyArray:
        return arrays[f"smearing{k}.{name}"]

    if f"smearing{k}.events" in arrays:
        return Simulation(get("sin_dec"), get("start"), get("events"))

    start = np.asarray(get("start"), np.int64)
    counts = np.diff(start)
    cells = np.empty((int(start[-1]), 7), np.float32)
    for name, columns in _GROUPS.items():
        rank = np.repeat(get(f"{name}.first")[:-1], counts) + get(f"{name}.index")
        cells[:, columns] = get(f"{name}.table")[rank]
    return Smearing(get("log_e_nu"), get("dec"), start, cells)
