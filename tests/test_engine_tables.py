"""prepared/tables.npz: what later processes read of it, and what they do without it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from worker.cli.main import main
from worker.engines.builtin.engine import Builtin
from worker.engines.builtin.psf_tables import PsfTables
from worker.review import run_conditions
from worker.rundir import layout, store
from worker.rundir.ledger import open_run
from worker.tasks import context, engine_tables

BG = "trials/tiny/bg/dec/+005/trials__N_000100_seed_0000.npy"
ARGS = ("bg_trials", "--dec=5", "--n=100")


@pytest.fixture(autouse=True)
def fresh_process():
    """As in a process that has read nothing."""
    context._engine.cache_clear()
    yield
    context._engine.cache_clear()


@pytest.fixture
def made(monkeypatch):
    """(season, declination bin) of every table that is made, not read."""
    made, make = [], PsfTables._make
    monkeypatch.setattr(PsfTables, "_make", lambda self, *key: (made.append(key), make(self, *key))[1])
    return made


def trials_again(run, capsys):
    """Make a file of trials anew; its bytes, and what is on stderr."""
    path = run / BG
    before = path.read_bytes()
    path.unlink()
    capsys.readouterr()
    assert main([ARGS[0], f"--run={run}", *ARGS[1:]]) == 0
    assert path.read_bytes() == before
    return capsys.readouterr().err


def test_trials_read_the_tables_and_need_no_file_of_them(own_run, made, capsys):
    assert trials_again(own_run, capsys) == ""
    assert made == []
    context._engine.cache_clear()
    store.remove(own_run, layout.TABLES)
    assert trials_again(own_run, capsys) == ""
    assert len(made) == 2, "of the two declination bins around +5 deg"


def test_only_what_is_asked_for_is_read(own_run, monkeypatch):
    read, get = [], engine_tables._Lazy.__getitem__
    monkeypatch.setattr(engine_tables._Lazy, "__getitem__", lambda self, name: (read.append(name), get(self, name))[1])
    run = open_run(own_run)
    engine = context.engine(run)
    engine.trials(run.spec.at(5.0), (1, 2), 0, 1)
    assert len(read) == 3, "sigma of the background, and two declination bins"
    assert len(store.load_arrays(own_run, layout.TABLES)) > 6


@pytest.mark.parametrize("spoil", ["flip", "cut", "record"])
def test_damaged_tables_are_made_again_and_prepare_mends_them(own_run, made, capsys, spoil):
    path = own_run / layout.TABLES
    raw, record = path.read_bytes(), own_run / layout.record_name(layout.TABLES)
    if spoil == "record":
        record.write_text(json.dumps(json.loads(record.read_text()) | {"digest": "0" * 64}))
    else:
        begin = raw.index(b"sigma.npy") + 3000
        path.write_bytes(raw[:begin] + bytes([raw[begin] ^ 255]) + raw[begin + 1 :] if spoil == "flip" else raw[:-9])
    assert f"{layout.TABLES}: " in trials_again(own_run, capsys)
    assert main(["prepare", f"--run={own_run}"]) == 0
    assert path.read_bytes() == raw
    context._engine.cache_clear()
    made.clear()
    assert trials_again(own_run, capsys) == ""
    assert made == []


def test_tables_of_another_likelihood_or_of_other_places_are_not_done(own_run):
    run = open_run(own_run)
    content, identity = context.data_digest(run), Builtin(run.spec, None).identity
    assert engine_tables.is_done(run, content, identity)
    assert not engine_tables.is_done(run, content, identity | {"engine": identity["engine"] - 1})
    assert not engine_tables.is_done(run, "0" * 64, identity)
    grid = run.spec.background.model_copy(update={"dec_deg": [5.0]})
    other = replace(run, spec=run.spec.model_copy(update={"background": grid}))
    assert not engine_tables.is_done(other, content, identity)


def test_a_review_finds_other_tables(own_run):
    """One unit in the last place of one number, in a file with its record."""
    run = open_run(own_run)
    assert [finding.verdict for finding in run_conditions.tables(run)] == ["same"]
    arrays, record = store.load_arrays(own_run, layout.TABLES), store.load_record(own_run, layout.TABLES)
    name = sorted(arrays)[0]
    arrays[name].flat[7] = np.nextafter(arrays[name].flat[7], 1.0)
    store.save_arrays(own_run, layout.TABLES, arrays, record, compress=True)
    assert [finding.verdict for finding in run_conditions.tables(run)] == ["fault"]
    store.remove(own_run, layout.TABLES)
    assert [finding.verdict for finding in run_conditions.tables(run)] == ["note"]


def test_a_gaussian_keeps_nothing(own_run):
    run = open_run(own_run)
    flat = run.spec.model_copy(update={"likelihood": run.spec.likelihood.model_copy(update={"psf": "gaussian"})})
    assert Builtin(flat, context.dataset_of(run)).prepare() == {}
