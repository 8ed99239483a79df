"""`dagmaker data fetch` against an imitation of a Dataverse on loopback that supports Range and fails halfway."""

import hashlib
import io
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cli import main
from dagmaker.releases import fetch as fetching
from dagmaker.releases import releases
from dagmaker.releases.download import ATTEMPTS
from dagmaker.result import Result
from tests.data_release import write_release
from tests.dataverse import Dataverse
from tests.waiting import HANG_S, until
from worker.base.errors import InputError, SpecError
from worker.data.icetracks import read_release

BIG = np.random.default_rng(1).bytes(1_500_000)
MD5 = "0" * 32
FILES = {"notes/big.bin": BIG, "README.txt": b"what this is\n", "irfs/small.csv": b"a b c\n1 2 3\n"}


def fetch(server: Dataverse, output: Path, name: str = "icetracks_10yr") -> Result:
    return fetching.fetch(name, output, server.url, wait_s=0.01)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def ranges(server: Dataverse) -> list[str | None]:
    """The Range of each request for the big file."""
    return [r for path, r in server.asked if path.endswith("/datafile/100")]


def test_a_release_arrives_whole_with_its_folders_and_its_source(tmp_path: Path) -> None:
    with Dataverse(FILES) as server:
        assert fetch(server, tmp_path / "out").code == 0
    found = tree(tmp_path / "out")
    source = json.loads(found.pop("SOURCE.json"))
    assert found == FILES
    assert source["doi"] == "10.7910/DVN/VKL316"
    assert {f["path"]: f["md5"] for f in source["files"]} == {
        path: hashlib.md5(content).hexdigest() for path, content in FILES.items()
    }


def test_again_downloads_nothing_and_mends_what_was_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Dataverse(FILES) as server:
        fetch(server, tmp_path)
        before = tree(tmp_path)
        server.asked.clear()
        fetch(server, tmp_path)
        assert len(server.asked) == 1, "only the list of files"
        (tmp_path / "README.txt").write_bytes(b"what this iz\n")
        fetch(server, tmp_path)
        assert [path for path, _ in server.asked if "/access/" in path] == ["/api/access/datafile/101"]
    assert tree(tmp_path) == before
    assert "README.txt: 0.0 MB, md5 good, was here" in capsys.readouterr().out


def test_a_connection_that_breaks_is_resumed_where_it_broke(tmp_path: Path) -> None:
    with Dataverse(FILES) as server:
        server.break_after = [400_000, 300_000, 0, 0]
        assert fetch(server, tmp_path).code == 0
        asked = ranges(server)
    assert asked[0] is None
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in asked[1:] if r]
    assert starts == [400_000, 700_000, 700_000, 700_000]
    assert (tmp_path / "notes/big.bin").read_bytes() == BIG
    assert not list(tmp_path.rglob("*.part"))


def test_a_server_without_ranges_sends_it_all_again(tmp_path: Path) -> None:
    with Dataverse(FILES) as server:
        server.break_after, server.knows_ranges = [400_000], False
        assert fetch(server, tmp_path).code == 0
        assert ranges(server) == [None, "bytes=400000-"]
    assert (tmp_path / "notes/big.bin").read_bytes() == BIG


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    with Dataverse(FILES) as server:
        server.busy = 3
        assert fetch(server, tmp_path).code == 0


def test_a_server_that_stays_away_ends_with_what_came_kept(tmp_path: Path) -> None:
    with Dataverse(FILES) as server:
        server.break_after = [400_000] + [0] * ATTEMPTS
        with pytest.raises(
            InputError, match=r"ended after 400000 of 1500000 bytes; given up after 6 tries.*run the same"
        ):
            fetch(server, tmp_path)
        part = next(tmp_path.rglob("*.part"))
        assert part.read_bytes() == BIG[:400_000]
        assert not (tmp_path / "notes/big.bin").exists(), "nothing under its name until it is whole"
        server.asked.clear()
        server.break_after = []
        assert fetch(server, tmp_path).code == 0
        assert ranges(server) == ["bytes=400000-"], "the next call goes on from there"
    with pytest.raises(InputError, match="given up after 6 tries"):
        fetching.fetch("icetracks_10yr", tmp_path, server.url, wait_s=0.001)


def test_wrong_bytes_are_fetched_once_more_and_then_refused(tmp_path: Path) -> None:
    with Dataverse({"big.bin": BIG}) as server:
        server.wrong_bytes = 1
        assert fetch(server, tmp_path / "once").code == 0
        assert (tmp_path / "once/big.bin").read_bytes() == BIG
        server.wrong_bytes = 2
        with pytest.raises(
            InputError, match=r"big\.bin does not have the md5 [0-9a-f]{32} that is published for it, twice"
        ):
            fetch(server, tmp_path / "twice")
    assert set(tree(tmp_path / "twice")) == {"SOURCE.json"}, "neither the file nor a part of wrong bytes"


def test_a_part_of_other_bytes_does_not_spoil_the_file(tmp_path: Path) -> None:
    part = tmp_path / f"big.bin.{hashlib.md5(BIG).hexdigest()[:8]}.part"
    part.write_bytes(b"x" * 1000)
    with Dataverse({"big.bin": BIG}) as server:
        assert fetch(server, tmp_path).code == 0
        assert ranges(server) == ["bytes=1000-", None]
    assert (tmp_path / "big.bin").read_bytes() == BIG


def test_tables_that_were_converted_are_fetched_as_they_were_uploaded(tmp_path: Path) -> None:
    """Their checksum is that of the upload, and the readers want its format and name."""
    with Dataverse(
        {"irfs/IC40_effectiveArea.csv": b"# a b\n1 2\n"}, converted={"irfs/IC40_effectiveArea.csv"}
    ) as server:
        assert fetch(server, tmp_path).code == 0
        assert server.asked[1][0].endswith("?format=original")
    assert (tmp_path / "irfs/IC40_effectiveArea.csv").read_bytes() == b"# a b\n1 2\n"


def test_a_fetched_release_is_read_by_the_section_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write_release(tmp_path / "made", ("IC86_I", "IC86_II"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for path, content in tree(made).items():
            file.writestr(f"icecube_10year_ps/{path}", content)
    with Dataverse({"release.zip": archive.getvalue()}) as server:
        found = fetch(server, tmp_path / "out")
        folder = tmp_path / "out/icecube_10year_ps"
        text = f"data: {{format: icetracks, dir: {folder}, seasons: [IC86_I, IC86_II]}}"
        assert list(found.lines) == [found.document["data"]] == [text]
        read = read_release(folder, ("IC86_I", "IC86_II"), label="real", sigma_max_deg=5)
        assert [len(season.events.dec) for season in read.seasons] == [20, 20]
        (folder / "uptime/IC86_I_exp.csv").unlink()
        fetch(server, tmp_path / "out")
    assert tree(folder) == tree(made)


@pytest.mark.parametrize("place", ["../outside", "/tmp/outside", "a/../../outside"])
def test_neither_a_list_nor_an_archive_may_write_elsewhere(tmp_path: Path, place: str) -> None:
    with Dataverse({f"{place}/x": b"1"}) as server, pytest.raises(InputError, match="outside the output folder"):
        fetch(server, tmp_path / "out")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"{place}/x", b"1")
    with (
        Dataverse({"a.zip": archive.getvalue()}) as server,
        pytest.raises(InputError, match="outside the output folder"),
    ):
        fetch(server, tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"out"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.zip", "SOURCE.json"}


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ({"status": "ERROR", "message": "no"}, r"not how a Dataverse lists the files.*KeyError: 'data'.*--base_url"),
        ({"data": {"files": []}}, "has no files"),
        ({"data": {"files": [{"label": "a", "dataFile": {"id": 1, "filesize": 1}}]}}, "not how a Dataverse lists"),
        (
            {"data": {"files": [{"label": "a", "restricted": True, "dataFile": {"id": 1, "filesize": 1, "md5": MD5}}]}},
            "a: this file is restricted: ask for access",
        ),
        (
            {"data": {"files": [{"label": "a", "dataFile": {"id": 1, "filesize": 10**18, "md5": MD5}}]}},
            r"1000000000\.00 GB are still to come",
        ),
        (
            {"data": {"files": [{"label": "a", "dataFile": {"id": i, "filesize": 1, "md5": MD5}} for i in (1, 2)]}},
            "a listed more than once",
        ),
    ],
)
def test_answers_that_are_odd_are_refused(tmp_path: Path, listing: dict[str, object], message: str) -> None:
    with Dataverse({}) as server:
        server.listing = listing
        with pytest.raises(InputError, match=message):
            fetch(server, tmp_path)
    assert tree(tmp_path) == {}


def test_versions_and_dois(tmp_path: Path) -> None:
    with Dataverse({"a": b"1"}, doi="10.7910/DVN/MMIIZA") as server:
        fetch(server, tmp_path, "icetracks_14yr_v1")
        assert server.asked[0][0] == "/api/datasets/:persistentId/versions/1.0?persistentId=doi:10.7910/DVN/MMIIZA"
        fetch(server, tmp_path, "icetracks_14yr")
        fetch(server, tmp_path, "doi:10.7910/DVN/MMIIZA")
        assert [path.split("?")[0].rpartition("/")[2] for path, _ in server.asked if "datasets" in path][1:] == [
            ":latest-published", ":latest-published",
        ]  # fmt: skip
        with pytest.raises(InputError, match=r"answers 404 Not Found\. Check the name of the release and --base_url"):
            fetch(server, tmp_path, "icetracks_14yr_v2")
    with pytest.raises(
        SpecError, match=r"no release 'icetracks_10y'; did you mean icetracks_10yr\?(?s:.*)doi:10\.7910"
    ):
        releases.find_release("icetracks_10y")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Dataverse(FILES) as server:
        assert main(["data", "fetch", "icetracks_10yr", f"--output={tmp_path / 'a'}", f"--base_url={server.url}"]) == 0
    assert set(tree(tmp_path / "a")) == {*FILES, "SOURCE.json"}
    assert main(["data", "fetch", "icetracks_10yr", f"--output={tmp_path}", "--base_url=ftp://x"]) == 2
    assert main(["data", "fetch", "nothing", f"--output={tmp_path}"]) == 2
    assert "icetracks_14yr_v2" in capsys.readouterr().err
    assert main(["data", "fetch", "--help"]) == 0
    assert "dagmaker data fetch icetracks_14yr_v1 --output=" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Dataverse(FILES) as server, pytest.raises(InputError, match="file/out: cannot be made"):
        fetch(server, tmp_path / "file/out")


def test_ctrl_c_keeps_what_came(tmp_path: Path) -> None:
    """A real process, stopped while the big file comes; the same command goes on from there."""
    with Dataverse(FILES) as server:
        server.pause_s = 0.05
        words = [sys.executable, "-m", "dagmaker", "data", "fetch", "icetracks_10yr", f"--output={tmp_path}"]
        process = subprocess.Popen(
            ["env", "--default-signal=INT", *words, f"--base_url={server.url}"],
            stderr=subprocess.PIPE,
            text=True,
        )

        def begun() -> bool:
            assert process.poll() is None
            return any(p.stat().st_size for p in tmp_path.rglob("big.bin*.part"))

        until(begun, "the first bytes of the big file")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=HANG_S)
        assert process.returncode == 85
        assert "stopped; what came is kept: run the same command again" in said
        assert not (tmp_path / "notes/big.bin").exists()
        have = next(tmp_path.rglob("*.part")).stat().st_size
        assert 0 < have < len(BIG)
        server.pause_s = 0
        server.asked.clear()
        assert fetch(server, tmp_path).code == 0
        assert ranges(server) == [f"bytes={have}-"]
    assert (tmp_path / "notes/big.bin").read_bytes() == BIG
