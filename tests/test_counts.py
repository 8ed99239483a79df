"""A task is named in one table: elsewhere it is a row, or a constant of that table."""

from pathlib import Path

from tests.counts import counts


def test_few_files_name_a_task():
    assert counts(Path(__file__).parents[1])["files that name a task"] < 15


def test_a_file_that_names_one_is_counted(tmp_path):
    for name in ("worker", "dagmaker", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "worker" / "one.py").write_text('def one():\n    return "bg_trials"\n')
    (tmp_path / "worker" / "two.py").write_text('TWO = "sensitivity"\n')
    found = counts(tmp_path)
    assert (found["files that name a task"], found["  or a result"], found["lines"]) == (1, 2, 3)
