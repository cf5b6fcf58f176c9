"""Candidates that leave the code wrong and want to be judged right, by what they do to Python, pytest or the report."""

from swemill.reasons import Reason
from tests.hostile.cases import Attacker, Case, cheat, hostile_add
from tests.unit.shapes_of_repositories import BASE

TAMPERED = Reason.TAMPERED

GREEN = """
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome, report.longrepr = "passed", None


def pytest_sessionfinish(session):
    session.exitstatus = 0
"""
AT_START = """
if b"--rootdir" in open("/proc/self/cmdline", "rb").read():
    import pytest, _pytest.runner
    real = _pytest.runner.CallInfo.from_call.__func__
    def from_call(cls, func, when, reraise=None):
        def quiet():
            try:
                return func()
            except BaseException:
                pass
        return real(cls, quiet, when, reraise)
    _pytest.runner.CallInfo.from_call = classmethod(from_call)
"""
LINES = r"""
import glob, json, os
places = glob.glob("/tmp/swemill-*/*.jsonl") + [
    part.partition("=")[2]
    for part in open("/proc/self/environ").read().split("\0")
    if part.startswith("SWEMILL_REPORT=")
]
folders = glob.glob("/tmp/swemill-*")
places = places or [os.path.join(folder, "report.jsonl") for folder in folders]
events = [{"e": "collected", "n": 2}]
for name in ("test_one", "test_add"):
    test = "tests/test_calc.py::" + name
    events += [
        {"e": "start", "id": test},
        {"e": "phase", "id": test, "when": "call", "outcome": "passed", "seconds": 0.1},
        {"e": "finish", "id": test, "outcome": "passed", "seconds": 0.1},
    ]
events.append({"e": "end", "status": 0})
for place in places:
    with open(place, "a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
"""
AFTERWARDS = """
import os, time
runner = os.getpid()
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 256)
    while os.path.exists("/proc/" + str(runner)):
        time.sleep(0.01)
"""
CONFIG = """
import sys
frame, config = sys._getframe(), None
while frame and not config:
    config = getattr(frame.f_locals.get("self"), "config", None)
    frame = frame.f_back
"""
QUIET_CALL = """
import _pytest.runner
real = _pytest.runner.CallInfo.from_call.__func__


def from_call(cls, func, *args, **kwargs):
    def quiet():
        try:
            return func()
        except BaseException:
            return None

    return real(cls, quiet, *args, **kwargs)


_pytest.runner.CallInfo.from_call = classmethod(from_call)
"""
WRONG = {"calc.py": BASE["calc.py"] + "# x\n"}


def _files(name: str, *ends: Reason, **files: str) -> Case:
    """A candidate that leaves ``add`` wrong and puts files beside it (``__`` in a name stays; keys are paths)."""
    return Case(
        name=name, attacker=Attacker.CANDIDATE, files={**WRONG, **files}, ends=ends or (Reason.FAIL_TO_PASS_FAILED,)
    )


STARTING = (
    _files("conftest.py that turns reports green", **{"conftest.py": GREEN, "tests/conftest.py": GREEN}),
    _files(
        "a plugin named in configuration files",
        **{
            "green.py": GREEN,
            "setup.cfg": "[tool:pytest]\naddopts = -p green\n",
            "pytest.ini": "[pytest]\naddopts = -p green\n",
            "tox.ini": "[pytest]\naddopts = -p green\n",
            ".pytest.toml": "[pytest]\naddopts = ['-p', 'green']\n",
            "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p green'\n",
            ".env": "PYTEST_ADDOPTS=-p green\nPYTEST_PLUGINS=green\n",
        },
    ),
    _files(
        "a plugin as an entry point of a package in the work folder",
        **{
            "green.py": GREEN,
            "deep.py": GREEN,
            "green.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: green\nVersion: 1\n",
            "green.egg-info/entry_points.txt": "[pytest11]\ngreen = green\n",
            "deep-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: deep\nVersion: 1\n",
            "deep-1.dist-info/entry_points.txt": "[pytest11]\ndeep = deep\n",
        },
    ),
    _files(
        "sitecustomize, usercustomize and a .pth file",
        **{"sitecustomize.py": AT_START, "usercustomize.py": AT_START, "x.pth": "import calc\n"},
    ),
    _files(
        "sitecustomize and usercustomize as packages",
        **{"sitecustomize/__init__.py": AT_START, "usercustomize/__init__.py": AT_START},
    ),
    _files(
        "modules named like pytest and the standard library",
        **{
            "pytest.py": GREEN + "import os\nos._exit(0)\n",
            "_pytest/__init__.py": "import os\nos._exit(0)\n",
            "json.py": "import os\nos._exit(0)\n",
            "hashlib.py": "import os\nos._exit(0)\n",
            "pluggy.py": "import os\nos._exit(0)\n",
        },
    ),
)

ENDING = (
    cheat("sys.exit(0) at import", "import sys\nsys.exit(0)", Reason.NO_REPORT, Reason.TESTS_CRASHED),
    cheat("os._exit(0) at import", "import os\nos._exit(0)", Reason.TESTS_CRASHED, Reason.NO_REPORT),
    Case(
        name="os._exit(0) in a test",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("import os\nos._exit(0)"),
        ends=(Reason.TESTS_CRASHED,),
        says="test_add",
    ),
    cheat(
        "pytest.exit(returncode=0)",
        "import pytest\npytest.exit('done', returncode=0)",
        Reason.FAIL_TO_PASS_FAILED,
        Reason.TESTS_CRASHED,
        Reason.NO_REPORT,
    ),
    cheat("atexit changes the exit status", "import atexit, os\natexit.register(os._exit, 0)", Reason.TESTS_CRASHED),
    cheat(
        "a plugin registered from the product changes the exit status",
        CONFIG + "class Zero:\n    def pytest_sessionfinish(self, session):\n        session.exitstatus = 0\n"
        "config.pluginmanager.register(Zero())",
        TAMPERED,
    ),
)

REPORTING = (
    cheat("results written into the report, then exit", LINES + "os._exit(0)", Reason.TESTS_CRASHED, Reason.NO_REPORT),
    cheat("results written into the report, and on", LINES),
    cheat(
        "a process that writes results when the run is over",
        AFTERWARDS + "".join(f"    {line}\n" for line in LINES.strip().splitlines()) + "    os._exit(0)",
    ),
    cheat(
        "json and os changed under the reporter",
        """
import json, json.encoder, os
real = json.encoder.JSONEncoder.encode
json.encoder.JSONEncoder.encode = lambda self, o: real(self, o).replace('"failed"', '"passed"')
json.dumps = lambda *a, **k: '{}'
write = os.write
os.write = lambda fd, data: write(fd, data.replace(b'"failed"', b'"passed"'))
""",
    ),
    cheat(
        "hashing changed under the reporter",
        "import hashlib, json.encoder\nhashlib.blake2b = json.encoder.encode_basestring_ascii = lambda *a, **k: None",
    ),
    cheat("CallInfo.from_call swallows exceptions", QUIET_CALL, TAMPERED),
    cheat(
        "call_runtest_hook and call_and_report exchanged",
        """
import _pytest.runner
_pytest.runner.call_runtest_hook = lambda item, when, **kw: _pytest.runner.CallInfo.from_call(lambda: None, when)
_pytest.runner.pytest_runtest_call = lambda item: None
""",
        TAMPERED,
    ),
    cheat(
        "TestReport.from_item_and_call lies",
        """
import _pytest.reports
real = _pytest.reports.TestReport.from_item_and_call.__func__
def from_item_and_call(cls, item, call):
    call.excinfo = None
    return real(cls, item, call)
_pytest.reports.TestReport.from_item_and_call = classmethod(from_item_and_call)
""",
        TAMPERED,
    ),
    cheat(
        "Function.runtest does nothing",
        "import pytest\npytest.Function.runtest = lambda self: None",
        TAMPERED,
    ),
    cheat(
        "the code of pytest's functions exchanged",
        "import _pytest.python\n_pytest.python.Function.runtest.__code__ = (lambda self: None).__code__",
        TAMPERED,
    ),
    cheat(
        "the plugin manager calls other hooks",
        """
import pluggy._manager, pluggy._callers
def calls(hook_name, methods, kwargs, firstresult):
    if hook_name == "pytest_pyfunc_call":
        return True
    return pluggy._callers._multicall(hook_name, methods, kwargs, firstresult)
for name, thing in [("_inner_hookexec", calls)]:
    import gc
    for manager in [o for o in gc.get_objects() if isinstance(o, pluggy._manager.PluginManager)]:
        manager._inner_hookexec = calls
""",
        TAMPERED,
    ),
    cheat(
        "a plugin registered from the product turns reports green",
        CONFIG
        + "class Green:\n"
        + "".join(
            f"    {line}\n"
            for line in GREEN.replace("(item", "(self, item").replace("(session", "(self, session").strip().splitlines()
        )
        + "config.pluginmanager.register(Green())",
        Reason.FAIL_TO_PASS_FAILED,
        TAMPERED,
    ),
    cheat(
        "a plugin registered from the product runs no test",
        CONFIG + "import pytest\nclass Idle:\n    @pytest.hookimpl(tryfirst=True)\n"
        "    def pytest_pyfunc_call(self, pyfuncitem):\n        return True\n"
        "config.pluginmanager.register(Idle())",
        TAMPERED,
    ),
)

TESTING = (
    cheat(
        "AssertionError is an expected failure",
        "import builtins, pytest\nbuiltins.AssertionError = pytest.xfail.Exception",
        Reason.FAIL_TO_PASS_FAILED,
        TAMPERED,
    ),
    Case(
        name="the product calls pytest.xfail",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("import pytest\npytest.xfail('known')"),
        ends=(Reason.FAIL_TO_PASS_FAILED,),
    ),
    Case(
        name="the product calls pytest.skip",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("import pytest\npytest.skip('known')"),
        ends=(Reason.FAIL_TO_PASS_FAILED,),
    ),
    cheat(
        "a mark put into the test module that imports it",
        """
import sys, pytest
frame = sys._getframe()
while frame:
    if frame.f_globals.get("__name__", "").endswith("test_calc"):
        frame.f_globals["pytestmark"] = pytest.mark.xfail(reason="known")
    frame = frame.f_back
""",
    ),
    Case(
        name="the test's code is exchanged by an earlier test",
        attacker=Attacker.CANDIDATE,
        files={
            "calc.py": BASE["calc.py"].replace(
                "    return 1",
                "    import sys\n    tests = sys._getframe(1).f_globals\n"
                "    tests['test_add'].__code__ = (lambda: None).__code__\n    return 1",
            )
        },
        ends=(TAMPERED,),
    ),
    Case(
        name="a collected test is exchanged by an earlier test",
        attacker=Attacker.CANDIDATE,
        files={
            "calc.py": BASE["calc.py"].replace(
                "    return 1",
                "    import gc, pytest\n    for thing in gc.get_objects():\n"
                "        if isinstance(thing, pytest.Function) and thing.name == 'test_add':\n"
                "            thing.obj = lambda: None\n    return 1",
            )
        },
        ends=(TAMPERED,),
    ),
    Case(
        name="unittest's assertions exchanged",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("import unittest\nunittest.TestCase.assertEqual = lambda *a: None"),
        ends=(TAMPERED,),
    ),
    cheat("pytest.raises exchanged", "import pytest\npytest.raises = pytest.approx = lambda *a, **k: None", TAMPERED),
    cheat(
        "a trace that jumps over the assertions",
        """
import sys
def trace(frame, event, arg):
    if frame.f_code.co_name == "test_add":
        return lambda frame, event, arg: setattr(frame, "f_lineno", frame.f_lineno) if event == "return" else None
    return None
sys.settrace(trace)
""",
    ),
    cheat(
        "time.time stands still",
        "import time\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0",
        Reason.FAIL_TO_PASS_FAILED,
        TAMPERED,
    ),
)

OPEN = (
    cheat(
        "the reporter's own function is found in memory, a report told, the process left",
        """
import gc, os, types
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__module__ == "event_lines" and thing.__name__ == "write_line":
        thing({"n": 2, "e": "collected"})
        for name in ("test_one", "test_add"):
            test = "tests/test_calc.py::" + name
            thing({"id": test, "e": "start"})
            thing({"id": test, "outcome": "passed", "seconds": 0.1, "e": "finish"})
        thing({"status": 0, "e": "end"})
        os._exit(0)
""",
        Reason.TESTS_CRASHED,
        TAMPERED,
        Reason.FAIL_TO_PASS_FAILED,
        open="code under test shares the reporter's process: what the reporter can do, it can do",
    ),
    Case(
        name="an answer that equals everything",
        attacker=Attacker.CANDIDATE,
        files=hostile_add("""
class Equal(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__
return Equal(0)
"""),
        ends=(Reason.FAIL_TO_PASS_FAILED,),
        open="an answer that equals everything is what the tests accept: nothing in a run tells it from a right one",
    ),
)

CASES = (*STARTING, *ENDING, *REPORTING, *TESTING, *OPEN)
