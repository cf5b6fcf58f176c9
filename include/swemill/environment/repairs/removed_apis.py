"What dependencies dropped: hold them below the release that did."

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.failures import distribution
from swemill.environment.repairs.changes import WITHOUT_LIMIT, lift, lift_to_settled, loosen, sink
from swemill.environment.repairs.floors import held
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure

_GONE = {
    "attrs<19.2": "attr.ib.convert",
    "celery<5": "celery.five celery.task celery.utils.encoding",
    "click<8": "click._bashcomplete",
    "click<8.1": "click._unicodefun click.get_os_args click.get_terminal_size",
    "cryptography<2": "cryptography.hazmat.primitives.interfaces",
    "django<1.10": "django.conf.urls.patterns",
    "django<1.9": "django.core.cache.get_cache django.forms.util django.utils.importlib",
    "django<2": "django.core.urlresolvers",
    "django<2.1": "django.contrib.auth.views django.contrib.auth.views.login django.contrib.auth.views.logout",
    "django<3": """django.contrib.staticfiles.templatetags django.shortcuts.render_to_response
        django.test.utils.str_prefix django.utils.decorators.available_attrs
        django.utils.encoding.python_2_unicode_compatible django.utils.lru_cache
        django.utils.python_2_unicode_compatible django.utils.six""",
    "django<4": """django.conf.urls.url django.contrib.postgres.fields.JSONField django.db.models.NullBooleanField
        django.utils.encoding.force_text django.utils.encoding.smart_text django.utils.http.is_safe_url
        django.utils.http.urlquote
        django.utils.translation.ugettext django.utils.translation.ugettext_lazy
        django.utils.translation.ugettext_noop django.utils.translation.ungettext
        django.utils.translation.ungettext_lazy""",
    "django<5": "django.utils.timezone.utc",
    "docutils<0.18": "docutils.nodes.reprunicode",
    "flask-sqlalchemy<3": "flask_sqlalchemy.BaseQuery flask_sqlalchemy._compat flask_sqlalchemy.get_debug_queries",
    "flask-wtf<0.15": "flask_wtf.Form",
    "flask<1": "flask.ext",
    "flask<2": "flask._compat",
    "flask<2.1": "flask.helpers.safe_join flask.safe_join",
    "flask<2.3": """flask.Markup flask._app_ctx_stack flask._request_ctx_stack flask.escape flask.json.JSONDecoder
        flask.json.JSONEncoder""",
    "importlib-metadata<5": "importlib_metadata.EntryPoints.get",
    "ipython<4": "IPython.html IPython.nbformat",
    "ipython<6": "IPython.utils",
    "ipython<8": "IPython.core.display.clear_output",
    "itsdangerous<2.1": """itsdangerous.JSONWebSignatureSerializer itsdangerous.TimedJSONWebSignatureSerializer
        itsdangerous.json""",
    "jinja2<3": "jinja2.utils.soft_unicode",
    "jinja2<3.1": """jinja2.Markup jinja2.contextfilter jinja2.contextfunction jinja2.environmentfilter jinja2.escape
        jinja2.evalcontextfilter jinja2.utils.Markup""",
    "kombu<5": "kombu.five",
    "lxml<5.2": "lxml.html.clean",
    "markdown<3.4": "markdown.util markdown.util.etree",
    "markupsafe<2.1": "markupsafe.soft_unicode",
    "marshmallow<3": "marshmallow.compat",
    "marshmallow<4": "marshmallow.fields.missing",
    "matplotlib<2.2": "matplotlib.finance",
    "matplotlib<3.1": "matplotlib.mlab",
    "matplotlib<3.8": "matplotlib.docstring",
    "matplotlib<3.9": "matplotlib.cm.get_cmap matplotlib.cm.register_cmap",
    "mistune<2": "mistune.Markdown mistune.Renderer",
    "networkx<2.4": "networkx.Graph.node",
    "networkx<3": """""networkx.from_numpy_matrix networkx.read_gpickle networkx.to_numpy_matrix
        networkx.write_gpickle""",
    "packaging<22": "packaging.specifiers.LegacySpecifier packaging.version.LegacyVersion",
    "pandas<0.23": "pandas.rolling_mean",
    "pandas<1": "pandas.DataFrame.ix pandas.Panel pandas.SparseDataFrame",
    "pandas<2": """pandas.DataFrame.append pandas.DataFrame.iteritems pandas.Float64Index pandas.Int64Index
        pandas.UInt64Index pandas.datetime pandas.np pandas.util.testing""",
    "pillow<10": "PIL.Image.ANTIALIAS PIL.Image.LINEAR",
    "pillow<7": "PIL.PILLOW_VERSION",
    "pip<10": "pip.download pip.req",
    "pip<20": "pip._internal.download pip._internal.req.parse_requirements",
    "pydantic<2": """pydantic.BaseSettings pydantic.__root__ pydantic.class_validators pydantic.error_wrappers
        pydantic.fields.ModelField pydantic.fields.Undefined pydantic.generics pydantic.main.ModelMetaclass
        pydantic.typing pydantic.utils pydantic.v1""",
    "pyjwt<2": "jwt.exceptions.ExpiredSignature",
    "pyyaml<6": "yaml.load",
    "redis<4": "redis._compat redis.connection.Token",
    "scikit-learn<0.20": "sklearn.cross_validation sklearn.grid_search",
    "scikit-learn<0.23": "sklearn.externals",
    "scikit-learn<0.24": "sklearn.utils.testing",
    "scipy<0.19": "scipy.weave",
    "scipy<1.13": "scipy.signal.blackman scipy.signal.hamming scipy.signal.hann",
    "scipy<1.14": "scipy.integrate.cumtrapz scipy.integrate.simps scipy.integrate.trapz",
    "scipy<1.3": """scipy.misc.comb scipy.misc.factorial scipy.misc.imread scipy.misc.imresize scipy.misc.imsave
        scipy.misc.logsumexp""",
    "scipy<1.5": "scipy.array scipy.gcd scipy.interp",
    "sphinx<1.7": "sphinx.util.compat",
    "sqlalchemy<1.4": "sqlalchemy.ext.declarative.clsregistry sqlalchemy.interfaces.PoolListener",
    "sqlalchemy<2": "sqlalchemy.Engine.execute",
    "tornado<6": "tornado.gen.Task tornado.gen.engine tornado.stack_context tornado.web.asynchronous",
    "urllib3<2": """requests.packages.urllib3 urllib3.contrib.appengine urllib3.packages
        urllib3.util.ssl_.DEFAULT_CIPHERS""",
    "werkzeug<1": """werkzeug.FileStorage werkzeug.ImmutableDict werkzeug.cached_property werkzeug.check_password_hash
        werkzeug.contrib werkzeug.generate_password_hash werkzeug.secure_filename werkzeug.url_encode""",
    "werkzeug<2": "werkzeug._compat",
    "werkzeug<2.1": """werkzeug.test.BaseResponse werkzeug.wrappers.BaseRequest werkzeug.wrappers.BaseResponse
        werkzeug.wrappers.CommonRequestDescriptorsMixin""",
    "werkzeug<3": """""werkzeug.urls.url_decode werkzeug.urls.url_encode werkzeug.urls.url_parse
        werkzeug.urls.url_quote""",
    "wtforms<3": "wtforms.compat wtforms.ext wtforms.fields.html5 wtforms.validators.Required",
}
"""Constraint -> what it brings back: ``module.name``, or what lies above it (the projects' change logs)."""
_CONSTRAINTS = {name: constraint for constraint, gone in _GONE.items() for name in gone.split()}
_NUMPY_1_24 = frozenset(["float", "int", "bool", "object", "str", "complex", "long", "unicode", "typeDict"])
_NUMPY_1_18 = ("testing.Tester", "testing.decorators", "testing.nosetester", "testing.utils", "oldnumeric", "numarray")
_NUMPY_1_23 = frozenset(["asscalar", "alen"])


def constraint_for(name: str) -> str:
    """The constraint that brings ``module.name`` back, by its longest known part; empty where none is known."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if found := _CONSTRAINTS.get(".".join(parts[:length])):
            return found
    return ""


@rule(Kind.REMOVED_API, name="the release that has")
def release_that_has(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    "Hold the dependency below the release that dropped it."
    constraint = constraint_for(failure.subject)
    return held(candidate, constraint, means) if "<" in constraint else None


@rule(Kind.REMOVED_API, name="the commit's release for")
def commit_release(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    "A dependency that may be younger than the commit may not after all."
    del means
    return sink(candidate, distribution(failure.subject))


@rule(Kind.REMOVED_API, name="younger user of it:", of_package=True)
def younger_user(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    "A distribution that still uses it has a younger release that does not."
    del means
    return lift_to_settled(candidate, failure.package)


@rule(Kind.NUMPY_TOO_NEW, name="numpy that has")
def older_numpy(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Hold numpy below the release that dropped the name: 1.24 took the aliases of Python's own types, 2.0
    the rest."""
    if failure.subject in _NUMPY_1_24:
        return held(candidate, "numpy<1.24", means)
    if failure.subject.startswith(_NUMPY_1_18):
        return held(candidate, "numpy<1.18", means) or held(candidate, "numpy<2", means)
    return held(candidate, "numpy<1.23" if failure.subject in _NUMPY_1_23 else "numpy<2", means)


@rule(Kind.NUMPY_ABI, name="numpy 1")
def numpy_1(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    "What was compiled for numpy 1 does not run on 2."
    expected = failure.line.partition("Expected ")[2].split(" ")[0]
    got = failure.line.partition("got ")[2].split(" ")[0]
    if expected.isdigit() and got.isdigit() and int(expected) > int(got):
        return None
    return held(candidate, "numpy<2", means)


@rule(Kind.NUMPY_ABI, name="younger numpy")
def younger_numpy(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    "What was compiled for a younger numpy does not run on an older one."
    del failure, means
    return lift(loosen(candidate, "numpy"), "numpy", WITHOUT_LIMIT)
