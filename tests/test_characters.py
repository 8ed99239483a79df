"""Characters that cannot be seen, or that look like others, are named with their place."""

from pathlib import Path

import pytest

from tests.dagmaker_spec import text
from worker.base.errors import SpecError
from worker.spec import specfile


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("seed: 1", "seed:\u00a01", r"spec:4: column 6: found the character U\+00A0 \(no-break space\); write a plain"),
        ("seed: 1", "seed: 1\u200b", r"spec:4: column 8: found the character U\+200B \(zero width space\); remove it"),
        ("seed: 1", "seed\uff1a 1", r"spec:4: column 5: found the character U\+FF1A \(fullwidth colon\); write :"),
        ("seed: 1", "seed: \u0661", r"spec:4: column 7: found the character U\+0661 .*; write 1"),
        ("name: tiny", "name: \u201ctiny\u201d", r"spec:3: column 7: found the character U\+201C .*; write \""),
        ("[-30, 5", "[\u221230, 5", r"spec:6: column 36: found the character U\+2212 \(minus sign\); write -"),
        ("n_trials: 250", "n\u00ad_trials: 250", r"spec:6: column \d+: found the character U\+00AD .*; remove it"),
        ("\nsignal", "\n\ufeffsignal", r"spec:7: column 1: found the character U\+FEFF"),
        ("{n_sig", "{\u00a0n_sig", r"spec:7: column 10: found the character U\+00A0"),
    ],
)
def test_the_character_is_the_first_thing_that_is_said(old: str, new: str, told: str) -> None:
    with pytest.raises(SpecError, match=told) as caught:
        specfile.loads(text().replace(old, new, 1))
    assert str(caught.value).splitlines()[0].startswith("spec:")
    assert "found the character" in str(caught.value).splitlines()[0]


@pytest.mark.parametrize("comment", ["# caf\u00e9\u00a0\u2013 \u201cgood\u201d", "# \u200b"])
def test_comments_and_texts_may_hold_them(comment: str) -> None:
    plain = text() + f"unblind: {{reason: 'M\u00fcller\u2019s\u00a0word'}}  {comment}\n"
    spec = specfile.loads(plain)
    assert specfile.loads_resolved(specfile.resolved_text(spec)) == spec
    with pytest.raises(SpecError) as caught:
        specfile.loads(plain.replace("seed: 1", f"seed: x  {comment}"))
    assert "found the character" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("name;ra_deg;dec_deg\nA;10;10\n", "s.csv:1: found columns with semicolons between them"),
        ("name\tra_deg\tdec_deg\nA\t10\t10\n", "s.csv:1: found columns with tabs between them"),
        ("name ra_deg dec_deg\nA 10 10\n", "s.csv:1: found columns with blanks between them"),
        ("name,ra_deg,dec_deg\nA;10;10\n", "s.csv:2: found 1 columns; the first line has 3; columns are separated by"),
        ("name,ra\u200b_deg,dec_deg\nA,10,10\n", r"s.csv:1: column 8: found the character U\+200B"),
        ("name,ra_deg,dec_deg\nA,10,\u22125\n", r"s.csv:2: column 6: found the character U\+2212 \(minus sign\)"),
        ("name,ra_deg,dec_deg\nA,\u0661,5\n", r"s.csv:2: column 3: found the character U\+0661 .*write 1"),
        ("name,ra_deg,dec_deg\nA,1_0,5\n", "s.csv:2: ra_deg: found '1_0'; must be a number"),
        ("x" * 20_000, "s.csv:1: found a line of 20,000 characters"),
    ],
)
def test_the_first_line_about_a_list_is_its_fault(raw: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(raw)
    scan = f"scan: {{kind: catalog, file: {tmp_path / 's.csv'}, n_skies: 2}}\n"
    head, _, rest = text(decs="sources").partition("scan:\n")
    with pytest.raises(SpecError, match=told) as caught:
        specfile.loads(head + scan + rest[rest.index("resources") :])
    assert [line for line in str(caught.value).splitlines() if "background" in line] == []
