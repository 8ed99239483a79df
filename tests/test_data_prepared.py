import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.counted import calls
from tests.data_release import write_release
from worker.base.errors import InputError
from worker.data.dataset import Dataset, EffectiveArea, Events, GoodRuns, Season, Smearing
from worker.data.icetracks import read_positions, read_release
from worker.data.prepared import content_digest, pack, unpack
from worker.data.synthetic import make

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three seasons, two of which share a response."""
    folder = write_release(tmp_path_factory.mktemp("r"), ("IC40", "IC86_I", "IC86_II"), ("IC40", "IC86"))
    return read_release(folder, ("IC40", "IC86_I", "IC86_II"), label="semi-real", sigma_max_deg=1.0)


def through_a_file(arrays: Arrays) -> Arrays:
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file) as loaded:
        return {name: loaded[name] for name in loaded}


def assert_same(a: Dataset, b: Dataset) -> None:
    """Bit for bit, types included."""
    assert a.label == b.label
    assert len(a.seasons) == len(b.seasons)
    for x, y in zip(a.seasons, b.seasons, strict=True):
        assert (x.name, x.livetime_days, x.notes) == (y.name, y.livetime_days, y.notes)
        for p, q in ((x.events, y.events), (x.area, y.area), (x.smearing, y.smearing), (x.runs, y.runs)):
            assert type(p) is type(q)
            if p is None or q is None:
                continue
            for name, one, other in zip(p._fields, p, q, strict=True):
                assert one.dtype == other.dtype, name
                assert one.shape == other.shape, name
                assert one.tobytes() == other.tobytes(), name


def events_of(dec: Any, sigma: Any, log_e: Any) -> Events:
    return Events(*(np.asarray(x, np.float32) for x in (dec, sigma, log_e)))


def with_events(dataset: Dataset, events: Events) -> Dataset:
    return Dataset(dataset.label, (dataclasses.replace(dataset.seasons[0], events=events),))


def test_a_round_trip_through_a_file_is_bit_for_bit(dataset: Dataset) -> None:
    assert_same(unpack(through_a_file(pack(dataset))), dataset)


def test_shared_responses_are_stored_once_and_come_back_shared(dataset: Dataset) -> None:
    arrays = pack(dataset)
    assert sum(name.endswith(".weight.index") for name in arrays) == 2
    back = unpack(arrays).seasons
    assert back[1].smearing is back[2].smearing
    assert back[1].area is back[2].area
    assert back[0].smearing is not back[1].smearing


def test_equal_responses_that_are_two_objects_are_stored_once(dataset: Dataset) -> None:
    a, b = dataset.seasons[1:]
    copy = Smearing(*(column.copy() for column in b.smearing))
    twice = Dataset("real", (a, dataclasses.replace(b, smearing=copy)))
    assert len(pack(twice)) == len(pack(Dataset("real", (a, b))))


@given(
    dec=st.lists(st.floats(-1.5, 1.5, width=32), min_size=1, max_size=20),
    sigma=st.floats(0, 1, width=32),
    log_e=st.floats(0, 9, width=32),
)
def test_values_that_are_no_published_decimals_survive(
    dataset: Dataset, dec: list[float], sigma: float, log_e: float
) -> None:
    odd = with_events(dataset, events_of(dec, [sigma] * len(dec), [log_e] * len(dec)))
    assert_same(unpack(through_a_file(pack(odd))), odd)


@given(st.lists(st.tuples(st.integers(-90000, 90000), st.integers(0, 70000), st.integers(-200, 900)), max_size=30))
def test_published_decimals_survive_in_any_order(dataset: Dataset, rows: list[tuple[int, int, int]]) -> None:
    codes = np.array(rows, float).reshape(-1, 3)
    events = events_of(np.deg2rad(codes[:, 0] / 1000), np.deg2rad(codes[:, 1] / 100), codes[:, 2] / 100)
    some = with_events(dataset, events)
    arrays = pack(some)
    assert not any(name.endswith(".values") for name in arrays), "stored as integers"
    assert_same(unpack(through_a_file(arrays)), some)


def test_minus_zero_survives(dataset: Dataset) -> None:
    odd = with_events(dataset, events_of([-0.0, 0.0], [0.0, -0.0], [-0.0, 1.0]))
    assert_same(unpack(through_a_file(pack(odd))), odd)


def test_many_distinct_edges_and_weights_in_one_bin_survive() -> None:
    rng = np.random.default_rng(1)
    cells = np.sort(rng.random((70000, 7)), axis=1).astype(np.float32)
    start = np.array([0, 0, 69000, 70000], np.int64)
    smearing = Smearing(np.array([2.0, 5.0, 6.0, 9.0]), np.array([-np.pi / 2, np.pi / 2]), start, cells)
    area = EffectiveArea(np.array([2.0, 9.0]), np.array([-1.0, 1.0]), np.ones((1, 1)))
    season = Season("a", 1.0, events_of([0.1], [0.01], [3.0]), area, smearing, ("note",))
    assert_same(unpack(through_a_file(pack(Dataset("real", (season,))))), Dataset("real", (season,)))


# What is in the file


def test_neither_right_ascensions_nor_times_are_in_the_data_set_or_its_file(dataset: Dataset) -> None:
    assert Events._fields == ("dec", "sigma", "log_e")
    assert {field.name for field in dataclasses.fields(Season)} == {
        *("name", "livetime_days", "events", "area", "smearing", "notes", "runs", "hour_angle")
    }
    arrays = pack(dataset)  # hour angles are a distribution of 36 numbers, in large seasons only
    columns = {name.split(".")[1] for name in arrays if name.startswith("season")}
    assert columns == {"dec", "sigma", "log_e", "runs"}
    assert GoodRuns._fields == ("start", "stop", "livetime", "n_events"), "of a run, nothing of a single event"
    meta = json.loads(arrays["meta"].tobytes())
    assert set(meta) == {"format", "label", "seasons"}
    assert set(meta["seasons"][0]) == {"name", "livetime_days", "notes", "area", "smearing"}


def test_the_order_of_the_events_does_not_tell_the_times(dataset: Dataset) -> None:
    for season in dataset.seasons:
        assert (np.diff(season.events.dec) >= 0).all()


def test_no_value_of_the_file_equals_a_right_ascension_or_a_time(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    path = folder / "events" / "IC86_I_exp.csv"
    header, *lines = path.read_text().splitlines()
    marks = ("55002.98765432", "123.457", "321.123")  # MJD, RA, azimuth: values that nothing else has
    marked = [
        " ".join([*line.split()[:3], marks[0], *line.split()[4:6], marks[1], line.split()[7], marks[2], "1"])
        for line in lines
    ]
    path.write_text("\n".join([header, *marked]) + "\n")
    arrays = pack(read_release(folder, ("IC86_I",), label="real", sigma_max_deg=5))
    values = np.concatenate([np.ravel(a).astype(float) for a in arrays.values()])
    for mark in map(float, marks):
        for value in (mark, np.float32(mark), np.deg2rad(mark), np.float32(np.deg2rad(mark)), round(mark * 1000)):
            assert not np.isclose(values, value, rtol=1e-7, atol=0).any()
    (sealed,) = read_positions(folder, ("IC86_I",), sigma_max_deg=5)
    assert (sealed.mjd == float(marks[0])).all(), "the same value is in the columns for unblinding"
    assert np.isclose(sealed.ra, np.deg2rad(float(marks[1])), rtol=1e-7).all()


# The digest


def changed(dataset: Dataset, **change: Any) -> Dataset:
    return Dataset(dataset.label, (dataclasses.replace(dataset.seasons[0], **change), *dataset.seasons[1:]))


def test_the_digest_is_that_of_the_content(dataset: Dataset) -> None:
    first = content_digest(dataset)
    assert len(first) == 64
    assert content_digest(unpack(through_a_file(pack(dataset)))) == first
    assert content_digest(Dataset("real", dataset.seasons)) == first, "a label changes no trial"
    assert content_digest(changed(dataset, notes=("other words",))) == first


def test_everything_that_trials_depend_on_is_digested(dataset: Dataset) -> None:
    season = dataset.seasons[0]
    nudged = {
        "name": "IC41",
        "livetime_days": np.nextafter(season.livetime_days, 1e9),
        **{f"events.{n}": None for n in Events._fields},
        **{f"area.{n}": None for n in EffectiveArea._fields},
        **{f"smearing.{n}": None for n in Smearing._fields},
    }
    digests = {content_digest(dataset)}
    for key, value in nudged.items():
        part, _, name = key.partition(".")
        if name:
            whole = getattr(season, part)
            array = getattr(whole, name).copy()
            array.ravel()[-1] = array.ravel()[-1] + 1
            digests.add(content_digest(changed(dataset, **{part: whole._replace(**{name: array})})))
        else:
            digests.add(content_digest(changed(dataset, **{key: value})))
    digests.add(content_digest(Dataset(dataset.label, dataset.seasons[::-1])))
    digests.add(content_digest(Dataset(dataset.label, dataset.seasons[:2])))
    assert len(digests) == 1 + len(nudged) + 2


# What is refused


def test_another_format_is_refused(dataset: Dataset) -> None:
    arrays = pack(dataset)
    meta = json.loads(arrays["meta"].tobytes()) | {"format": 99}
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    with pytest.raises(InputError, match=r"format 99.*worker prepare"):
        unpack(arrays)


@pytest.mark.parametrize("name", ["meta", "season0.dec.steps", "area0.sin_dec", "smearing0.psi.table"])
def test_a_missing_array_is_refused(dataset: Dataset, name: str) -> None:
    arrays = pack(dataset)
    del arrays[name]
    with pytest.raises(InputError, match="not what `worker prepare` writes"):
        unpack(arrays)


def test_a_season_is_a_megabyte_or_two_and_unpacks_at_once() -> None:
    synthetic = make(1, 138322, 332.9, sigma_max_deg=5)
    arrays = pack(synthetic)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    assert sum(a.nbytes for a in arrays.values()) < 3e6
    assert file.tell() < 1.5e6
    found, n_calls = calls(unpack, arrays)
    assert_same(found, synthetic)
    assert n_calls < 500  # none per event
