"""Cases that use up what the machine has: processes, memory, disk, inodes, time, output, names of tests."""

from swemill.reasons import Reason
from tests.hostile.cases import Attacker, Case, hostile_add, hostile_test
from tests.unit.shapes_of_repositories import NEW_TESTS

CASES = (
    Case(
        name="fork bomb",
        attacker=Attacker.GOLD,
        files=hostile_add("import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"),
        ends=(Reason.TESTS_TIMED_OUT,),
        timeout=6,
        nasty=True,
    ),
    Case(
        name="fork bomb that leaves its group and kills its guards",
        attacker=Attacker.GOLD,
        files=hostile_add("""
import os, signal
if os.fork():
    signal.pause()
os.setsid()
os.closerange(0, 256)
os.kill(-1, 9)
while True:
    try:
        os.fork()
    except OSError:
        pass
"""),
        ends=(Reason.TESTS_CRASHED, Reason.TESTS_TIMED_OUT),
        timeout=6,
        nasty=True,
    ),
    Case(
        name="memory filler",
        attacker=Attacker.GOLD,
        files=hostile_add("kept = []\nwhile True:\n    kept.append(bytearray(b'x') * (64 << 20))"),
        ends=(Reason.TESTS_OUT_OF_MEMORY,),
        timeout=30,
        nasty=True,
    ),
    Case(
        name="memory filler in many processes",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("""
import os, time
for _ in range(20):
    if not os.fork():
        kept = bytearray(b'x') * (64 << 20)
        time.sleep(600)
time.sleep(600)
"""),
        ends=(Reason.TESTS_OUT_OF_MEMORY, Reason.TESTS_TIMED_OUT),
        timeout=8,
    ),
    Case(
        name="disk filler",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("""
for folder in ('/tmp', '/testbed', '/dev/shm', '/var/tmp', '/opt/venv'):
    try:
        with open(folder + '/filler', 'wb', 0) as file:
            while file.write(b'x' * (1 << 20)):
                pass
    except OSError:
        pass
"""),
        ends=(Reason.TESTS_CRASHED, Reason.TESTS_OUT_OF_MEMORY),
        timeout=30,
        nasty=True,
    ),
    Case(
        name="inode filler",
        attacker=Attacker.GOLD,
        files=hostile_add("""
import os
number = 0
while True:
    number += 1
    try:
        os.close(os.open(f'/tmp/i{number}', os.O_CREAT | os.O_WRONLY))
    except OSError:
        break
"""),
        ends=(Reason.TESTS_TIMED_OUT, Reason.TESTS_OUT_OF_MEMORY, Reason.TESTS_CRASHED),
        timeout=10,
        nasty=True,
    ),
    Case(
        name="flood of output without a line end",
        attacker=Attacker.TESTS,
        files={
            **hostile_test("import os\nwhile True:\n    os.write(1, b'x' * (1 << 16))"),
            "tests/pytest.ini": "[pytest]\naddopts = -s\n",
        },
        ends=(Reason.TESTS_TIMED_OUT,),
        timeout=6,
    ),
    Case(
        name="terminal escape sequences",
        attacker=Attacker.TESTS,
        files={
            "tests/test_calc.py": NEW_TESTS
            + "\n\nimport os, pytest\n\n\n@pytest.mark.parametrize('x', ['\\x1b[2J\\x1b]0;evil\\x07', '\\u202e'])\n"
            + "def test_escapes(x):\n    os.write(1, b'\\x1b[2J\\x1b[1;31mgone\\x07\\x9b2J\\rover\\xe2\\x80\\xae')\n"
            + "    assert add(1, 1) == 2\n",
            "tests/pytest.ini": "[pytest]\naddopts = -s -v\n",
        },
        ends=(None,),
        says="\\x1b[1;31mgone\\x07",
    ),
    Case(
        name="endless loop",
        attacker=Attacker.GOLD,
        files=hostile_add("while True:\n    pass"),
        ends=(Reason.TESTS_TIMED_OUT,),
        says="test_add",
        timeout=5,
    ),
    Case(
        name="deaf to every signal",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("""
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    time.sleep(600)
"""),
        ends=(Reason.TESTS_TIMED_OUT,),
        says="test_add",
        timeout=5,
    ),
    Case(
        name="stopped for ever",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
        ends=(Reason.TESTS_TIMED_OUT,),
        timeout=5,
    ),
    Case(
        name="limits lowered",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
"""),
        ends=(Reason.TESTS_CRASHED,),
    ),
    Case(
        name="test ids of a megabyte and of two",
        attacker=Attacker.TESTS,
        files={
            "tests/test_calc.py": NEW_TESTS
            + "\n\nimport pytest\n\n\n@pytest.mark.parametrize('x', [1, 2], ids=['y' * 1000000, 'z' * 2000000])\n"
            + "def test_long(x):\n    assert add(x, 1) == x + 1\n"
        },
        ends=(None, Reason.TESTS_CRASHED),
    ),
    Case(
        name="300,000 tests",
        attacker=Attacker.TESTS,
        files={
            "tests/test_calc.py": NEW_TESTS
            + "\n\nimport pytest\n\n\n@pytest.mark.parametrize('x', range(300000))\ndef test_many(x):\n    pass\n"
        },
        ends=(Reason.TESTS_TIMED_OUT, Reason.TESTS_OUT_OF_MEMORY),
        timeout=15,
    ),
    Case(
        name="kill everybody",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("import os\nos.kill(-1, 9)\nos.kill(1, 9)\nos.kill(os.getpid(), 9)"),
        ends=(Reason.TESTS_CRASHED,),
        says="test_add",
        nasty=True,
    ),
    Case(
        name="a test deletes the repository",
        attacker=Attacker.TESTS,
        files=hostile_test("""
import os, shutil
for name in os.listdir('/testbed'):
    path = '/testbed/' + name
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
"""),
        ends=(Reason.GOLD_PATCH_DOES_NOT_APPLY,),
    ),
    Case(
        name="a test locks the work folder",
        attacker=Attacker.TESTS,
        files=hostile_test("import os\nos.chmod('/testbed/calc.py', 0)\nos.chmod('/testbed', 0)"),
        ends=(Reason.TESTS_CRASHED, Reason.GOLD_PATCH_DOES_NOT_APPLY),
    ),
)
