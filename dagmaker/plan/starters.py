"""Small specs to begin with: `dagmaker init`."""

from pathlib import Path, PurePosixPath

from worker.base import shell
from worker.base.atomic import Written, reason, write_all
from worker.base.errors import InputError, RefusedError, SpecError

_HEAD = """# {title}. It runs as it is, on made-up data:
#     dagmaker check {file}
#     dagmaker run {file} --run=runs/{stem} --jobs=2
# Every key that can be written here: the annotated analysis.yaml of dagmaker, or `dagmaker schema` for your editor.
version: 1
name: {stem}
seed: 1                      # another seed: other, independent random numbers
data: {{format: synthetic}}    # or: {{format: icetracks, dir: data/icetracks, seasons: [IC86_I]}}
"""
_TRIALS = """background: {dec_deg: %s, n_trials: 5000, tail: tilted}
signal: {gamma: 2, n_sig: [2, 4, 7, 11, 16, 24], n_trials: 500}
"""
_GRID = "{start: -85, stop: 85, step: 10}"
STARTERS = {
    "sky": (
        "A scan of the whole sky",
        _TRIALS % _GRID + "scan: {nside: 16, n_skies: 100, dec_min_deg: -85, dec_max_deg: 85}\n"
        "unblind: {quote_nsigma: 1.5}    # the largest significance that will be quoted\n",
    ),
    "sources": (
        "A list of sources",
        _TRIALS % _GRID + "scan:\n  kind: catalog\n  n_skies: 1000\n"
        "  sources: |                 # or file: sources.csv\n    name,ra_deg,dec_deg\n    TXS 0506+056,77.358,5.693\n"
        "    NGC 1068,40.670,-0.013\n    PG 1553+113,238.929,11.190\n"
        "unblind: {quote_nsigma: 1.5}    # the largest significance that will be quoted\n",
    ),
    "points": (
        "Sensitivities at points, without skies",
        "hypothesis: {kind: points}\npoints: [{dec_deg: -30}, {dec_deg: 5}, {dec_deg: 30}]\n"
        "background: {n_trials: 5000, tail: tilted}\n"
        "signal: {gamma: 2, n_sig: [2, 4, 7, 11, 16, 24], n_trials: 500}\n",
    ),
    "window": (
        "Sources at known times, such as gamma-ray bursts; results are fluences",
        "hypothesis:\n  kind: window\n  length_days: [1000 s, 1, 100]    # each is tested, with the correction for it\n"
        "  sources:\n    - {name: GRB1, ra_deg: 77.36, dec_deg: 5.69, start_mjd: 55700.2}\n"
        "    - {name: AT2, ra_deg: 238.93, dec_deg: -11.19, centre_mjd: 55820.0, sigma_days: [10]}\n"
        "background: {n_trials: 50000}\n"
        "signal: {gamma: 2, n_sig: [1, 2, 4, 7, 11, 16], n_trials: 500}\n"
        "scan: {kind: points, n_skies: 2000}\n"
        "unblind: {quote_nsigma: 1.5}    # the largest significance that will be quoted\n",
    ),
    "stacking": (
        "The summed signal of catalogues of sources",
        "hypothesis:\n  kind: stacking\n  catalogues:          # each: sources that share one ns and one gamma\n"
        "    seyferts:\n      weights: flux    # equal, or a column; the detector's acceptance is multiplied\n"
        "      sources: |       # or file: sources.csv\n        name,ra_deg,dec_deg,flux\n"
        "        NGC 1068,40.670,-0.013,1.0\n        NGC 4151,182.636,39.405,0.8\n"
        "        CGCG 420-015,73.357,4.062,0.5\n"
        "    blazars:\n      sources: |\n        name,ra_deg,dec_deg\n        TXS 0506+056,77.358,5.693\n"
        "        PG 1553+113,238.929,11.190\n"
        "background: {n_trials: 5000}\n"
        "signal: {gamma: 2, n_sig: [2, 4, 7, 11, 16, 24], n_trials: 500}\n"
        "scan: {kind: points, n_skies: 1000}    # all catalogues in the same skies: corrected for trying them all\n"
        "unblind: {quote_nsigma: 1.5}    # the largest significance that will be quoted\n",
    ),
    "flare": (
        "Sources that may have a flare at an unknown time; results are fluences",
        "hypothesis:\n  kind: flare\n  profile: gaussian    # or box\n"
        "  max_days: 100        # longest sigma (length of a box)\n"
        "  inject_days: 20      # width of injected flares\n"
        "  sources:\n    - {name: TXS0506, ra_deg: 77.36, dec_deg: 5.69}\n"
        "    - {name: PKS1502, ra_deg: 226.10, dec_deg: 10.49}\n"
        "background: {n_trials: 1000}\n"
        "signal: {gamma: 2, n_sig: [2, 4, 7, 11, 16], n_trials: 100}\n"
        "scan: {kind: points, n_skies: 500}\n"
        "unblind: {quote_nsigma: 1.5}    # the largest significance that will be quoted\n",
    ),
}
"""Title and text by kind."""


def write(kind: str, path: Path) -> Path:
    """Write the spec of a kind to a new file.

    Raises
    ------
    SpecError
        There is no such kind.
    RefusedError
        The file exists.
    InputError
        It cannot be written.
    """
    if kind not in STARTERS:
        raise SpecError(f"{kind[:60]!r}: no such kind; write one of: {', '.join(STARTERS)}")
    if path.exists() or path.is_symlink():
        again = shell.dagmaker("init", kind, "--output=another.yaml")
        raise RefusedError(f"{path}: exists and is not overwritten; `{again}` writes another file")
    title, text = STARTERS[kind]
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in path.stem) or "analysis"
    head = _HEAD.format(title=title, file=path, stem=stem)
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        write_all(path.absolute().parent, [Written(PurePosixPath(path.name), (head + text).encode())])
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    return path
