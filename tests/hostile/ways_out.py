"""Cases that look for a way out of the sandbox, or for what must not be in it."""

from swemill.reasons import Reason
from tests.hostile.cases import Attacker, Case, hostile_add, hostile_test, probe
from tests.unit.shapes_of_repositories import FIXED, NEW_TESTS

_SEARCH = """
MARK = b"the gold" + b" patch was here"


def holds(path):
    try:
        if os.path.isfile(path) and os.path.getsize(path) < 1 << 26:
            with open(path, "rb") as file:
                return MARK in file.read()
    except OSError:
        return False


def anywhere():
    for top in ("/testbed", "/tmp", "/opt/testbed", "/opt/build", "/home", "/root", "/var", "/etc", "/dev/shm", "/run"):
        for folder, _, names in os.walk(top):
            for name in names:
                if holds(os.path.join(folder, name)):
                    return os.path.join(folder, name)


def git(*arguments, **more):
    return subprocess.run(["git", *arguments], cwd="/testbed", stdout=subprocess.PIPE, timeout=30, **more).stdout


def in_objects():
    commits = git("log", "--all", "--format=%H").split()
    return MARK in git("cat-file", "--batch-all-objects", "--batch") or len(commits) > 1


def in_processes():
    files = glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ")
    return any(holds(path) for path in files)
"""

MARKED_GOLD = {"calc.py": FIXED + "# the gold patch was here\n"}
"""What the search looks for is in the gold patch alone."""

_SYSCALLS = '''
def call(number, *arguments):
    """True when a system call succeeds (x86-64 numbers)."""
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def ptrace_the_keeper():
    return libc.ptrace(16, 1, 0, 0) == 0


def set_user_id():
    shutil.copy("/bin/cat", "/testbed/mine")
    os.chmod("/testbed/mine", 0o6755)
    try:
        os.chown("/testbed/mine", 0, 0)
    except PermissionError:
        pass
    out = subprocess.run(["/testbed/mine", "/proc/self/status"], stdout=subprocess.PIPE).stdout.decode()
    return "Uid:\\t1000\\t1000\\t1000\\t1000" not in out


def set_user_id_programs():
    return [
        os.path.join(folder, name)
        for top in ("/bin", "/sbin", "/usr", "/opt")
        for folder, _, names in os.walk(top)
        for name in names
        if os.lstat(os.path.join(folder, name)).st_mode & 0o4000
    ]
'''

_WRITES = '''
def written(path, text="1"):
    """Whether a file could be written."""
    with open(path, "w") as file:
        file.write(text)
    return path


def overwritten_program():
    with open("/proc/self/exe", "r+b") as file:
        file.write(b"x")
    return True


def other_root():
    return os.listdir("/proc/1/root")


def escaped_release_agent():
    return [written(path, "/tmp/x") for path in glob.glob("/sys/fs/cgroup/*/release_agent")]


def raised_limit():
    paths = glob.glob("/sys/fs/cgroup/memory/memory.limit_in_bytes") + glob.glob("/sys/fs/cgroup/memory.max")
    return [written(path, "99999999999") for path in paths]
'''

CASES = (
    probe(
        "network: names, metadata, gateway, neighbours",
        """
        lambda: socket.gethostbyname("example.com")
        lambda: socket.gethostbyname("host.docker.internal")
        lambda: socket.create_connection(("169.254.169.254", 80), 2)
        lambda: socket.create_connection(("172.17.0.1", 22), 2)
        lambda: socket.create_connection(("172.17.0.2", 80), 2)
        lambda: socket.create_connection(("1.1.1.1", 53), 2)
        lambda: socket.create_connection(("::ffff:1.1.1.1", 53), 2)
        lambda: [name for _, name in socket.if_nameindex() if name != "lo"]
        lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)
        """,
    ),
    probe(
        "the engine's socket, and sockets without a name",
        """
        lambda: [place for place in SOCKETS if os.path.exists(place)]
        lambda: socket.create_connection(("127.0.0.1", 2375), 2)
        lambda: [line for line in open("/proc/net/unix") if "containerd" in line or "docker" in line]
        lambda: [line for line in open("/proc/mounts") if line.startswith("/dev/") and line.split()[1] not in USUAL]
        """,
        setup="""
SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")
USUAL = ("/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/sbin/docker-init", "/usr/sbin/docker-init")
""",
    ),
    probe("search for the gold patch", "anywhere\nin_objects\nin_processes", setup=_SEARCH),
    probe(
        "the clock of the machine",
        """
        lambda: time.clock_settime(time.CLOCK_REALTIME, 0) or True
        lambda: libc.settimeofday((ctypes.c_long * 2)(0, 0), None) == 0
        lambda: libc.adjtimex((ctypes.c_long * 32)(1, 1 << 20)) >= 0
        """,
    ),
    probe(
        "set-user-id, mount, unshare, ptrace, modules, keys",
        """
        set_user_id
        set_user_id_programs
        ptrace_the_keeper
        lambda: os.setuid(0) or True
        lambda: call(165, b"none", b"/testbed", b"tmpfs", 0, 0)
        lambda: call(272, 0x10000000)
        lambda: call(272, 0x00020000)
        lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0)
        lambda: call(155, b"/testbed", b"/testbed")
        lambda: call(161, b"/testbed")
        lambda: call(321, 0, 0, 0)
        lambda: call(250, 2, b"user", b"x", b"y")
        lambda: call(175, 0, 0, b"")
        lambda: call(298, 0, 0, -1, -1, 0)
        lambda: call(304, -1, 0, 0)
        lambda: call(169, 0xFEE1DEAD, 672274793, 0x4321FEDC, 0)
        lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o666, os.makedev(8, 0)) or True
        lambda: os.chroot("/tmp") or True
        lambda: os.nice(-5) < 0
        """,
        setup=_SYSCALLS,
        nasty=True,
    ),
    probe(
        "tricks with /proc and /sys",
        """
        other_root
        overwritten_program
        escaped_release_agent
        raised_limit
        lambda: written("/proc/sysrq-trigger", "c")
        lambda: written("/proc/sys/kernel/core_pattern", "|/testbed/evil")
        lambda: written("/proc/sys/kernel/hostname", "evil")
        lambda: written("/proc/sys/vm/overcommit_memory")
        lambda: written("/proc/self/oom_score_adj", "-1000")
        lambda: written("/proc/1/oom_score_adj", "1000")
        lambda: written("/proc/1/mem", "x")
        lambda: written("/sys/kernel/uevent_helper", "/testbed/evil")
        lambda: open("/dev/mem", "rb").read(1)
        lambda: open("/proc/kcore", "rb").read(1)
        lambda: open("/proc/kmsg", "rb").read(1)
        lambda: open("/proc/1/environ", "rb").read()
        lambda: written("/opt/venv/evil")
        lambda: written("/etc/evil")
        """,
        setup=_WRITES,
        nasty=True,
    ),
    probe(
        "limits raised",
        """
        lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30)) or True
        lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)) or True
        lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)) or True
        """,
        setup="import resource",
    ),
    probe("a socket to the hypervisor", "lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)"),
    Case(
        name="a core dump",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("import ctypes\nctypes.string_at(0)"),
        ends=(Reason.TESTS_CRASHED,),
        says="test_add",
    ),
    Case(
        name="a process that outlives the run and mends the code between the runs",
        attacker=Attacker.REPOSITORY,
        files=hostile_test(f"""
import os, time
runner = os.getpid()
if os.fork():
    return
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 256)
while os.path.exists('/proc/' + str(runner)):
    time.sleep(0.01)
for _ in range(500):
    with open('/testbed/calc.py', 'w') as file:
        file.write({FIXED!r})
    time.sleep(0.01)
os._exit(0)
"""),
        ends=(Reason.NO_FAIL_TO_PASS,),
    ),
    Case(
        name="the first run leaves something for the second",
        attacker=Attacker.REPOSITORY,
        files={
            "tests/test_calc.py": NEW_TESTS.replace(
                "    assert add(1, 2) == 3",
                "    import os\n    again = os.path.exists('/testbed/been-here')\n"
                "    open('/testbed/been-here', 'w').close()\n    assert again",
            )
        },
        ends=(Reason.NO_FAIL_TO_PASS,),
        open="both runs of a validation share one container; whoever controls a repository can make it validate",
    ),
)
