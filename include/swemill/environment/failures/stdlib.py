"""What Python's standard library gained and lost, by minor version: tells a wrong Python from a missing package.

Source: docs.python.org, the sections "Removed" and "New Modules" of "What's New In Python 3.x".
"""

import sys

REMOVED = {
    "3.7": "asyncio.async",
    "3.8": "time.clock cgi.parse_qs macpath platform.linux_distribution platform.dist platform.popen tarfile.filemode",
    "3.9": """_dummy_thread dummy_threading fractions.gcd base64.encodestring base64.decodestring sys.getcheckinterval
        sys.setcheckinterval plistlib.readPlist plistlib.writePlist array.tostring threading.Thread.isAlive
        HTMLParser.unescape Element.getchildren Element.getiterator asyncio.Task.all_tasks aifc.openfp cgi.escape""",
    "3.10": """formatter parser symbol _bootlocale collections.Mapping collections.MutableMapping collections.Sequence
        collections.MutableSequence collections.Set collections.MutableSet collections.Iterable collections.Iterator
        collections.Callable collections.Hashable collections.Sized collections.Container collections.Generator
        collections.Awaitable collections.Coroutine collections.KeysView collections.ItemsView collections.ValuesView
        collections.MappingView collections.ByteString collections.AsyncIterable asyncio.compat asyncio.loop""",
    "3.11": """binhex inspect.getargspec inspect.formatargspec asyncio.coroutine asyncio.coroutines.coroutine
        gettext.lgettext gettext.ldgettext gettext.bind_textdomain_codecset unittest._TextTestResult
        re.template re.TEMPLATE open.U re.global_flags""",
    "3.12": """imp asynchat asyncore smtpd pkgutil.ImpImporter pkgutil.ImpLoader configparser.SafeConfigParser
        configparser.LegacyInterpolation ssl.wrap_socket ssl.match_hostname ssl.RAND_pseudo_bytes
        importlib.find_loader importlib.util.module_for_loader importlib.util.set_loader importlib.abc.Finder
        sqlite3.enable_shared_cache sqlite3.OptimizedUnicode locale.format ftplib.FTP_TLS.ssl_version
        unittest.assertEquals xml.etree.ElementTree.copy xml.etree.cElementTree webbrowser.MacOSX zipimport.find_loader
        io.OpenWrapper typing.io typing.re""",
    "3.13": """aifc audioop cgi cgitb chunk crypt imghdr mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd sunau
        telnetlib uu xdrlib lib2to3 locale.resetlocale unittest.makeSuite unittest.findTestCases
        unittest.getTestCaseNames pathlib._ignore_error typing.io typing.re logging.warn tkinter.tix
        importlib.resources.contents re.template webbrowser.MacOSX configparser.LegacyInterpolation""",
    "3.14": """ast.Str ast.Num ast.Bytes ast.NameConstant ast.Ellipsis asyncio.AbstractChildWatcher
        asyncio.ThreadedChildWatcher asyncio.SafeChildWatcher asyncio.FastChildWatcher importlib.abc.ResourceReader
        importlib.abc.Traversable importlib.abc.TraversableResources pkgutil.get_loader pkgutil.find_loader
        typing.ByteString collections.abc.ByteString""",
}
"""First version without it -> names; a module stands for all that is in it."""

ADDED = {
    "3.7": "dataclasses contextvars importlib.resources asyncio.run asyncio.create_task asyncio.get_running_loop",
    "3.8": """importlib.metadata typing.Literal typing.Protocol typing.TypedDict typing.Final functools.cached_property
        functools.singledispatchmethod math.prod unittest.IsolatedAsyncioTestCase unittest.mock.AsyncMock typing.final
        typing.get_args typing.get_origin typing.runtime_checkable shlex.join statistics.NormalDist""",
    "3.9": """zoneinfo graphlib functools.cache typing.Annotated asyncio.to_thread random.randbytes
        importlib.resources.files""",
    "3.10": """typing.ParamSpec typing.TypeAlias typing.TypeGuard typing.Concatenate typing.is_typeddict types.NoneType
        types.UnionType itertools.pairwise contextlib.aclosing inspect.get_annotations
        dataclasses.KW_ONLY types.EllipsisType""",
    "3.11": """tomllib typing.Self typing.LiteralString typing.Never typing.Required typing.NotRequired
        typing.assert_never typing.assert_type typing.reveal_type typing.dataclass_transform typing.TypeVarTuple
        typing.Unpack enum.StrEnum enum.verify enum.member enum.nonmember datetime.UTC asyncio.TaskGroup
        asyncio.timeout asyncio.Runner contextlib.chdir wsgiref.types logging.getLevelNamesMapping hashlib.file_digest
        asyncio.Barrier asyncio.timeouts""",
    "3.12": "typing.override typing.TypeAliasType itertools.batched inspect.BufferFlags calendar.Month sys.monitoring",
    "3.13": "warnings.deprecated typing.TypeIs typing.ReadOnly copy.replace queue.ShutDown typing.NoDefault",
    "3.14": "annotationlib compression string.templatelib concurrent.interpreters",
}
"""First version with it -> names."""

PYTHON2 = frozenset(
    [
        "ConfigParser",
        "Queue",
        "StringIO",
        "cStringIO",
        "urllib2",
        "urlparse",
        "httplib",
        "Cookie",
        "cookielib",
        "HTMLParser",
        "__builtin__",
        "cPickle",
        "commands",
        "UserDict",
        "UserList",
        "UserString",
        "xmlrpclib",
        "SocketServer",
        "BaseHTTPServer",
        "SimpleHTTPServer",
        "Tkinter",
        "tkMessageBox",
        "copy_reg",
        "thread",
        "dummy_thread",
        "anydbm",
        "dbhash",
        "whichdb",
        "exceptions",
        "htmlentitydefs",
        "sets",
        "md5",
        "sha",
        "new",
        "sre",
        "popen2",
        "robotparser",
        "repr",
        "mimetools",
        "rfc822",
        "DocXMLRPCServer",
        "CGIHTTPServer",
        "string.maketrans",
        "itertools.izip",
        "itertools.imap",
        "itertools.ifilter",
        "itertools.izip_longest",
        "string.letters",
        "string.lowercase",
        "string.uppercase",
        "string.join",
        "sys.maxint",
        "os.getcwdu",
        "types.StringTypes",
        "types.StringType",
        "types.ClassType",
        "urllib.urlencode",
        "urllib.quote",
        "urllib.unquote",
        "urllib.urlopen",
        "urllib.quote_plus",
        "urllib.urlretrieve",
        "urllib.pathname2url",
    ]
)
"""Modules and names of Python 2 alone."""

_REMOVED_IN = {name: version for version, names in reversed(REMOVED.items()) for name in names.split()}
_ADDED_IN = {name: version for version, names in ADDED.items() for name in names.split()}


def minor(python: str) -> int:
    """The minor version as a number (``3.9`` -> 9); -1 when it is none of Python 3."""
    major, _, rest = python.partition(".")
    number = rest.partition(".")[0]
    return int(number) if major == "3" and number.isdigit() else -1


def removed_in(name: str) -> str:
    """The first Python without ``name`` (a module, ``module.name``, or what lies below); empty where it is unknown."""
    return _nearest(name, _REMOVED_IN)


def added_in(name: str) -> str:
    """The first Python with ``name``; empty where it is unknown."""
    return _nearest(name, _ADDED_IN)


def is_python2(name: str) -> bool:
    """Only Python 2 has it."""
    return name in PYTHON2


def is_stdlib(module: str) -> bool:
    """A module of the standard library, as far as the present Python knows."""
    return module.partition(".")[0] in sys.stdlib_module_names


def _nearest(name: str, table: dict[str, str]) -> str:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if found := table.get(".".join(parts[:length])):
            return found
    return ""
