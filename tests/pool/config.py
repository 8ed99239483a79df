"""The configuration of a pool that lives on the loopback interface and reacts within seconds."""

import getpass
from pathlib import Path

from tests.pool.install import Install

TEMPLATE = """\
# Written when the pool starts; local.config beside this file is read last and is yours to write.
RELEASE_DIR = {install.release}
LIB = {install.lib}
LIBEXEC = {install.libexec}
BIN = {install.bin}
SBIN = {install.sbin}
LOCAL_DIR = {home}
LOG = {home}/log
SPOOL = {home}/spool
EXECUTE = {home}/execute
LOCK = {home}/lock
RUN = {home}/run
use ROLE : Personal
{ids}

# Nothing but loopback, on any free port. The host's name need not resolve. UDP needs a legacy cipher that
# the private OpenSSL does not find: condor_submit would crash after it has submitted.
NETWORK_INTERFACE = 127.0.0.1
NETWORK_HOSTNAME = localhost
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
USE_SHARED_PORT = False
WANT_UDP_COMMAND_SOCKET = False
MASTER_ADDRESS_FILE = $(LOG)/.master_address
COLLECTOR_ADDRESS_FILE = $(LOG)/.collector_address
SCHEDD_ADDRESS_FILE = $(LOG)/.schedd_address
UID_DOMAIN = dagmaker.test
FILESYSTEM_DOMAIN = dagmaker.test
TRUST_DOMAIN = dagmaker.test
MAIL = /bin/true
SENDMAIL = /bin/true

# The owner of the pool's files, nobody else. Clients newer than the daemons refuse their file-system
# authentication unless told not to bind it to the connection.
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_FS_ENFORCE_CHANNEL_BINDING = False
ALLOW_READ = {users}
ALLOW_WRITE = {users}
ALLOW_DAEMON = {users}
ALLOW_NEGOTIATOR = {users}
ALLOW_ADMINISTRATOR = {users}

# One partitionable slot. What it claims to have is the same on every machine, so that tests schedule alike.
NUM_CPUS = {cpus}
MEMORY = {memory_mb}
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
SINGULARITY = /bin/false
DOCKER =

# Jobs get a home in the pool: their user's may be a folder of programs.
STARTER_SETS_HOME_ENV = False
STARTER_JOB_ENVIRONMENT = "HOME={home}/home"

# Seconds, not minutes.
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
POLLING_INTERVAL = 2
JOB_START_DELAY = 0
JOB_STOP_DELAY = 0
CLAIM_WORKLIFE = 3600
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_SUBMIT_DELAY = 0
DAGMAN_MAX_SUBMITS_PER_INTERVAL = 1000
DAGMAN_QUEUE_UPDATE_INTERVAL = 2
# Held longer, the claim of a finished node starves jobs of another shape.
DAGMAN_HOLD_CLAIM_TIME = 3
# Strict, DAGMan refuses to keep its log under /tmp, where tests have their folders.
DAGMAN_USE_STRICT = 0

# Policies are looked at every other second; a job above its request_memory is held.
PERIODIC_EXPR_INTERVAL = 2
PERIODIC_EXPR_TIMESLICE = 0.5
STARTER_INITIAL_UPDATE_INTERVAL = 1
STARTER_UPDATE_INTERVAL = 2
SHADOW_QUEUE_UPDATE_INTERVAL = 2
PID_SNAPSHOT_INTERVAL = 1
use POLICY : HOLD_IF_MEMORY_EXCEEDED

# A daemon that dies is missed, replaced, and its jobs run again soon.
ALIVE_INTERVAL = 5
MAX_CLAIM_ALIVES_MISSED = 3
JOB_DEFAULT_LEASE_DURATION = 20
MASTER_BACKOFF_CONSTANT = 1
MASTER_RECOVER_FACTOR = 5

include ifexist : {home}/local.config
"""


def render(install: Install, home: Path, *, as_root: bool, cpus: int = 4, memory_mb: int = 16000) -> str:
    """The text of ``condor_config``.

    Parameters
    ----------
    install : Install
        The programs.
    home : Path
        The pool's folder: log, spool, execute, ...
    as_root : bool
        Whether root starts the pool (in a user namespace, where its files belong to "daemon").
    cpus, memory_mb : int
        What the slot claims to have.
    """
    users = "daemon@* root@*" if as_root else f"{getpass.getuser()}@*"
    # With this, root's tools outside the namespace recognise the daemons inside it.
    ids = "CONDOR_IDS = 0.0" if as_root else ""
    return TEMPLATE.format(install=install, home=home, ids=ids, users=users, cpus=cpus, memory_mb=memory_mb)
