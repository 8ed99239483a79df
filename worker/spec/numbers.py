"""The part of a spec that decides numbers: what is computed, not where it runs nor how the work is cut."""

import hashlib
import json
from typing import Any

from worker.spec import effects
from worker.spec.sections import Spec


def deciding(spec: Spec) -> dict[str, Any]:
    """The spec as plain data, without what changes no number."""
    idle = {"nothing"} if spec.adaptive.max_rounds else {"nothing", "rounds"}

    def decides(key: str) -> bool:
        effect = effects.of(key)
        return effect is None or effect.decides not in idle

    data = {key: value for key, value in spec.model_dump(mode="json").items() if decides(key)}
    for section, values in data.items():
        if isinstance(values, dict):
            data[section] = {key: value for key, value in values.items() if decides(f"{section}.{key}")}
    return data


def digest_of_numbers(spec: Spec) -> str:
    """Sha256 of `deciding`: with the digest of the data's content, equal where all results must be equal."""
    text = json.dumps(deciding(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
