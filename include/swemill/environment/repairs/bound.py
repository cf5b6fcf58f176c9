"""Packages that grow with the interpreter."""

INTERPRETER_BOUND = (
    "pytest",
    "pluggy",
    "py",
    "iniconfig",
    "coverage",
    "setuptools",
    "pip",
    "wheel",
    "packaging",
    "cython",
    "cffi",
    "pycparser",
    "numpy",
    "typing-extensions",
    "importlib-metadata",
    "zipp",
    "markupsafe",
    "pyyaml",
    "lxml",
    "greenlet",
    "psutil",
    "regex",
    "wrapt",
    "lazy-object-proxy",
    "typed-ast",
    "cryptography",
)
"""Packages that need releases as young as the interpreter, whatever the date of the commit.

They reach into it (C code against its headers, its syntax tree, its import system), so a release from before a Python
was out rarely works on it, while their own interface changes little: a younger release seldom breaks what uses it.
Where a Python stands in for an older one, the candidate maker lets these be as young as that Python. All others keep
the date of the commit until a build fails.
"""
