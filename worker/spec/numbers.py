"""The part of a spec that decides numbers: what is computed, not where it runs nor how the work is cut."""

import hashlib
import json
from typing import Any

from worker.spec.sections import Spec

WHERE = ("site", "resources", "small_angles")
AIMS = ("goal", "adaptive")  # decide numbers where rounds of trials follow from them
CUT = {
    "data": ("dir", "irfs"),  # where the data lie: what is in them has a digest of its own
    "background": ("trials_per_file",),
    "signal": ("trials_per_file",),
    "scan": ("skies_per_file", "sky_bands", "bands", "file"),  # what was in the file is in scan.sources
    "unblind": ("token", "approved_by", "date", "reason", "waive"),  # added once the results are there
}


def deciding(spec: Spec) -> dict[str, Any]:
    """The spec as plain data, without what changes no number."""
    aims = () if spec.adaptive.max_rounds else AIMS
    data = spec.model_dump(mode="json", exclude={*WHERE, *aims})
    for section, keys in CUT.items():
        for key in keys:
            data[section].pop(key, None)
    return data


def digest_of_numbers(spec: Spec) -> str:
    """Sha256 of `deciding`: with the digest of the data's content, equal where all results must be equal."""
    text = json.dumps(deciding(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
