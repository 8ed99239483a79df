"""Tables on narrow terminals: columns are left out, never wrapped, and the reader is told."""

import os
import pty
import subprocess
import sys

import pytest

from dagmaker.columns import Column, table
from dagmaker.cost import cost, plan_text
from dagmaker.plan import plan
from tests.conftest import ROOT
from tests.dagmaker_spec import spec

COLUMNS = (Column("stage", 10), Column("n", 6), Column("disk", 8, 2), Column("memory", 8, 1), Column("first", 0, 3))
ROWS = (("bg_trials", "1,000", "50 MB", "300 MB", "trials/a.npy"), ("report", "1", "2 MB", "450 MB", ""))


@pytest.mark.parametrize(
    ("wide", "head", "left_out"),
    [
        (None, "stage          n    disk  memory  first", ""),
        (46, "stage          n    disk  memory  first", ""),
        (45, "stage          n    disk  memory", "first"),
        (31, "stage          n  memory", "disk, first"),
        (5, "stage          n", "disk, memory, first"),
    ],
)
def test_columns_are_left_out_in_their_order(wide, head, left_out):
    lines = list(table(COLUMNS, ROWS, wide))
    assert lines[0] == head
    assert lines[1].startswith("bg_trials  1,000")
    told = [f"(left out, the terminal is narrow: {left_out}; --json has them)"] if left_out else []
    assert lines[3:] == told


def test_a_cell_wider_than_its_column_keeps_its_blank():
    head, row = table(COLUMNS[:3], [("bg_trials", "1,234,567", "50 MB")], None)
    assert row == "bg_trials  1,234,567   50 MB"
    assert head.index("disk") + 4 == len(row)


def test_a_plan_fits_eighty_columns():
    made = spec()
    total = cost.estimate(plan.make(made, ""), made, 4)
    tasks = {stage.task for stage in total.stages}
    rows = [row for row in plan_text.lines(plan.make(made, ""), total, width=80) if row.split(" ")[0] in tasks]
    assert len(rows) == len(total.stages)
    assert max(map(len, rows)) <= 80


def shown(columns):
    """What `dagmaker plan` prints on a terminal."""
    parent, child = pty.openpty()
    env = os.environ | {"COLUMNS": str(columns)}
    argv = [sys.executable, "-m", "dagmaker", "plan", "analysis.yaml"]
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=child, close_fds=True) as process:
        os.close(child)
        text = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        assert process.wait() == 0
    os.close(parent)
    return text.decode()


@pytest.mark.slow
def test_a_terminal_is_asked_and_a_file_gets_everything():
    assert "(left out, the terminal is narrow: files, per folder, disk; --json has them)" in shown(80)
    assert "left out" not in shown(140)
    argv = [sys.executable, "-m", "dagmaker", "plan", "analysis.yaml"]
    env = os.environ | {"COLUMNS": "80"}
    piped = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert "left out" not in piped.stdout
