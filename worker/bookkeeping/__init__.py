"""Trees of trials on disk as nested dicts: ours, csky's, and any other with a value in each folder's name.

>>> from worker.bookkeeping import get, get_all
>>> sig = get_all("runs/example/trials/ic86/sig", "trials*npy")
>>> trials = get(sig, "dec", 5, "nsig", 10)

For notebooks and scripts. The pipeline itself takes its list of files from the plan (`worker.rundir.ledger`).
"""

from worker.bookkeeping.files import concatenate, get_all
from worker.bookkeeping.lookup import get, get_best

__all__ = ["concatenate", "get", "get_all", "get_best"]
