"""Small specs for the tests of dagmaker."""

from typing import Any

from worker.spec import specfile
from worker.spec.sections import Spec

TEXT = """
version: 1
name: {name}
seed: {seed}
data: {{format: synthetic, n_events: 20000}}
background: {{tail: none, dec_deg: {decs}, n_trials: {n_bg}, trials_per_file: {bg_file}}}
signal: {{n_sig: {n_sig}, n_trials: {n_trials}, trials_per_file: {sig_file}}}
scan:
  {{nside: 4, map_nside: {map_nside}, bands: {bands}, dec_min_deg: {low}, dec_max_deg: {high},
   n_skies: {n_skies}, skies_per_file: {sky_file}, sky_bands: {sky_bands}}}
resources: {resources}
site: {site}
"""

DEFAULTS: dict[str, Any] = {
    "name": "tiny",
    "seed": 1,
    "decs": [-30, 5, 40],
    "n_bg": 250,
    "bg_file": 100,
    "n_sig": [4, 10, 20],
    "n_trials": 150,
    "sig_file": 100,
    "map_nside": 8,
    "n_skies": 5,
    "sky_file": 2,
    "bands": 2,
    "sky_bands": 1,
    "resources": "{}",
    "site": "personal",
}


def text(**changes: Any) -> str:
    """YAML of a spec of 47 processes that runs in seconds, with changes; it scans what its grid covers."""
    values = {**DEFAULTS, **changes}
    decs = values["decs"] if isinstance(values["decs"], list) else [-85, 85]
    return TEXT.format(**{"low": min(decs), "high": max(decs), **values})


def spec(**changes: Any) -> Spec:
    """The same, read."""
    return specfile.loads(text(**changes))
