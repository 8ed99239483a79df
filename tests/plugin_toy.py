"""A plug-in that misbehaves on request (option ``fault``), as a file beside a spec; it imports nothing of ours."""

import os
import signal
import time

import numpy as np


class Engine:
    """A normal deviate of width 3 beside a Poisson number of counts; TS is its square if it is positive."""

    protocol = 1
    columns = (("ts", "<f8"), ("ns", "<f8"))
    deterministic = "per-trial"
    reads = ("dec_deg",)
    block = 15

    def __init__(self, options, folder):
        self.fault, self.folder = options.get("fault"), folder
        self.calls, self.width = 0, float(options.get("width", 3.0))
        self.deterministic = options.get("told", "per-trial")
        if self.fault == "options":
            raise ValueError("width must be a number")
        if self.fault == "protocol":
            self.protocol = 2
        if self.fault == "columns":
            self.columns = (("ns", "<f8"), ("ts", "<f8"))
        if self.fault == "told":
            self.deterministic = "always"

    def identity(self):
        wrong = {"identity": {"toy": object()}, "keys": {1: "a", "b": 2}, "not finite": {"toy": float("nan")}}
        if self.fault == "identity error":
            raise KeyError("no version")
        return wrong.get(self.fault, {"toy": 1.0})

    def prepare(self, folder):
        if self.fault == "prepare error":
            raise OSError("no table to read")
        if self.fault == "prepare cwd":
            os.chdir(folder)
        if self.fault == "prepare hang":
            time.sleep(3600)
        (folder / "table.txt").write_text("prepared\n")

    def flux(self, point, n_sig):
        if self.fault == "flux error":
            raise IndexError("no such energy")
        return {"flux": -1.0, "flux array": np.array([1e-12, 2e-12])}.get(self.fault, 1e-12 * n_sig)

    def method(self):
        return "TS is the square of an excess."

    def explain(self, point, key):
        return [f"the key of this trial is {key}"]

    def trials(self, point, keys):
        rows = np.zeros(len(keys), list(self.columns))
        if self.fault == "buffer":  # one array for all calls
            self.__dict__.setdefault("rows", np.zeros(100, rows.dtype))
            rows = self.rows[: len(keys)]
        self.calls += 1
        for row, key in zip(rows, keys, strict=True):
            rng = np.random.default_rng(self._seed(int(key), keys))
            row["ns"] = max(rng.poisson(point["n_sig"]) + self.width * rng.standard_normal(), 0.0)
        rows["ts"] = (rows["ns"] / self.width) ** 2
        return self.spoiled(rows) if len(keys) > 1 else rows  # a single trial, which `prepare` makes, is good

    def _seed(self, key, keys):
        if self.fault == "state":
            return [key, self.calls]
        if self.fault == "cut":
            return [key, len(keys)]
        if self.fault == "process":
            return [key, os.getpid()]
        if self.fault == "order":
            return [key, int(np.flatnonzero(keys == key)[0])]
        return None if self.fault == "random" else key

    def spoiled(self, rows):
        wrong = {
            "dtype": lambda: rows.astype([("ts", "<f4"), ("ns", "<f8")]),
            "list": rows.tolist,
            "masked": lambda: np.ma.array(rows, mask=True),
            "length": lambda: rows[1:],
            "cwd": lambda: os.chdir("/"),
            "global": np.random.random,
            "hang": lambda: time.sleep(3600),
            "crash": os.abort,
            "stuck": lambda: (signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}) and None) or time.sleep(3600),
        }
        if self.fault == "exception":
            raise RuntimeError("no such table")
        if self.fault == "refusal":
            raise ValueError("nothing is accepted there")
        if self.fault == "exit":
            raise SystemExit(3)
        if self.fault == "nan":
            rows["ns"][1] = np.nan
        if self.fault == "negative":
            rows["ts"][1] = -0.5
        if self.fault == "stdout":
            print("{'a': 'dictionary'}", flush=True)
            os.write(1, b"and more\n")
        returned = wrong.get(self.fault, lambda: None)()
        return returned if self.fault in ("dtype", "list", "length", "masked") else rows
