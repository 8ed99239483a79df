"""`python -m benchmarks.gpu_code [RELEASE]`: what the CUDA kernels compile to, on a machine without a device.

Registers of a lane, bytes set aside for want of more, instructions, and how many warps a processor of a device of
compute capability 9.0 holds at once. RELEASE is a folder in the published format; without it, a made-up season of the
same size. Needs the extra `dagmaker[gpu]`: its compiler, not its driver.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numba import cuda

from benchmarks import cases
from tests.engine.no_device import launches, pretend
from worker.base import healpix
from worker.engines.builtin import scan, trials
from worker.engines.builtin.response import Spectrum
from worker.engines.cuda import warp
from worker.engines.cuda.trials import room_for

ARCHITECTURE, CAPABILITY = "sm_90", (9, 0)
REGISTERS, SHARED, OF_BLOCK, BLOCKS = 65_536, 227 * 1024, 1024, 32
"""Of a processor: registers, shared bytes (1 kB more for each block), blocks."""
INSTRUCTION = 16
"""Bytes."""


def compiler() -> Path:
    """NVIDIA's assembler, from the packages of the extra `gpu`."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for found in Path(folder).glob("*/bin/ptxas"):
            return found
    raise SystemExit("no ptxas here: pip install 'dagmaker[gpu]'")


def sizes(ptx: str) -> tuple[int, int, int]:
    """Registers, bytes spilled (stores and loads) and instructions of a kernel."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx)
        command = [str(compiler()), f"-arch={ARCHITECTURE}", "-v", f"--maxrregcount={warp.REGISTERS}"]
        said = subprocess.run(
            [*command, str(source), "-o", str(binary)], capture_output=True, text=True, check=True
        ).stderr
        headers = subprocess.run(["readelf", "-SW", str(binary)], capture_output=True, text=True, check=True).stdout
    code = max(int(m, 16) for m in re.findall(r"\.text\.\S+\s+PROGBITS\s+\S+\s+\S+\s+([0-9a-f]+)", headers))
    registers = int(re.search(r"Used (\d+) registers", said)[1])  # type: ignore[index]
    return registers, sum(map(int, re.findall(r"(\d+) bytes spill", said))), code // INSTRUCTION


def main(release: Path | None) -> None:
    """Print a line for every kernel."""
    analysis = cases.prepared(cases.dataset(release))
    point = trials.point_at(analysis, float(np.radians(5.0)))
    injector = trials.injector_at(analysis, point.dec, Spectrum(2.0), 10.0)
    room = room_for(analysis, point, injector)
    turn = scan.right_ascensions(analysis, cases.KEY, 0)
    found = launches(analysis, point, cases.KEY, injector, healpix.rings_of(16), turn)
    pretend(CAPABILITY)
    for kernel, types in found:
        if kernel.__name__ == "_place":
            continue
        ptx, _ = cuda.compile(kernel, types, cc=CAPABILITY, output="ptx", device=False, abi="numba")
        registers, spilled, instructions = sizes(ptx)
        held = min(REGISTERS // (registers * warp.LANES), SHARED // (room.shared_bytes + OF_BLOCK), BLOCKS)
        print(
            f"{kernel.__module__.split('.')[-1]}.{kernel.__name__}: {registers} registers, {spilled} bytes spilled, "
            f"{instructions:,} instructions, {held} warps at once on a processor"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
