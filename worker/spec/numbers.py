"""The part of a spec on which results depend, without where it runs and how work is cut."""

from typing import Any

from worker.spec import effects
from worker.spec.sections import Spec
from worker.spec.specfile import digest


def deciding(spec: Spec) -> dict[str, Any]:
    """Return the spec as plain data, without keys on which no result depends."""
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
    """Return the sha256 of `deciding`; specs with the same one give the same results from the same data."""
    return digest(deciding(spec))
