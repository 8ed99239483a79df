"""Descriptions of HTCondor's holds, and cures. Codes: HTCondor manual, HoldReasonCode."""

import errno

from dagmaker.htcondor.eventlog import Hold
from dagmaker.htcondor.submitfile import SubmitFile

MEMORY_SUBCODES = (102, 34)
DISK_SUBCODE = 104
NO_SPACE = 28  # errno ENOSPC
DISK_CURES = {  # by errno
    NO_SPACE: "make room on the disk of the run directory and of the event logs",
    errno.EDQUOT: "make room on the disk of the run directory, or ask for a larger quota",
    errno.EROFS: "have the disk of the run directory mounted for writing again",
    errno.EACCES: "let the pool's jobs write to the run directory (permissions)",
}
WORDS = {
    1: "held by its user",
    3: "held by an expression in its submit file",
    6: "its program could not be started",
    7: "its output file cannot be opened",
    8: "its input file cannot be opened",
    12: "its output could not be transferred back",
    13: "its input could not be transferred",
    14: "its directory on the submit host is not there",
    16: "its input is being spooled",
    21: "held by the machine that it ran on",
    22: "its event log cannot be written",
    26: "held by a rule of the pool",
    32: "its input is larger than the pool allows",
    33: "its output is larger than the pool allows",
    34: "used more memory, disk or cores than it asked for",
    35: "its container image cannot be used",
    36: "its checkpoint could not be transferred",
    44: "the container program of that machine does not work",
    46: "in the queue and running for longer than allowed_job_duration",
    47: "ran for longer than allowed_execute_duration",
}


def is_memory(hold: Hold) -> bool:
    """Whether a hold is for memory: code 34, subcode 102 on pools with cgroups, else 21/102."""
    return (hold.code in (21, 34) and hold.subcode in MEMORY_SUBCODES) or (
        hold.code == 34 and "memory" in hold.reason.lower()
    )


def exit_code(hold: Hold, submit: SubmitFile) -> int | None:
    """Exit code of a process that our submit file holds because it failed for good; None for other holds."""
    ours = hold.code == 3 and "on_exit_hold" in submit.commands
    return hold.subcode if ours and hold.subcode > 0 else None


def is_disk(hold: Hold) -> bool:
    """Whether a hold is for using more disk space than requested."""
    return hold.code in (21, 34) and (hold.subcode == DISK_SUBCODE or "disk" in hold.reason.lower())


def description(hold: Hold) -> str:
    """Description of a hold, with HTCondor's codes."""
    if is_memory(hold):
        text = "used more memory than it asked for"
    elif is_disk(hold):
        text = "used more disk than it asked for"
    elif hold.code in (12, 13) and hold.subcode == NO_SPACE:
        text = "the disk is full that its files were to be copied to"
    else:
        text = WORDS.get(hold.code, "held")
    return f"{text} (code {hold.code}, subcode {hold.subcode})"


def cure(hold: Hold, memory_mb: int, disk_mb: int, submit: SubmitFile) -> str:
    """Change that prevents a hold.

    Parameters
    ----------
    memory_mb, disk_mb : int, MB
        Requests of the spec; 0 if the plan computes them.
    """
    if is_memory(hold):
        return f"resources.request_memory_mb: {2 * memory_mb}  (now {memory_mb})"
    if is_disk(hold):
        if disk_mb == 0:
            return "commands: {request_disk: 2GB} in the site profile; the plan asked for too little, please report it"
        return f"resources.request_disk_mb: {2 * disk_mb}  (now {disk_mb})"
    if hold.code in (12, 13, 7, 8, 14) and hold.subcode in DISK_CURES:
        return DISK_CURES[hold.subcode]
    program = submit.commands.get("executable", "?")
    cures = {
        1: "release it when it may run",
        6: f"see `executable` in {submit.path.name}: {program} must exist on every machine",
        22: f"make the folder of the event log writable: {submit.log}",
        35: f"see `container_image` in {submit.path.name}",
        **dict.fromkeys(
            (46, 47), "give it longer or less work: fewer trials per file, or the duration in the site profile"
        ),
    }
    return cures.get(hold.code, f"cure what the reason names (site profile, {submit.path.name}, or the pool's people)")
