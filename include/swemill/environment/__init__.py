"""From an instance to build plans: pure functions, one module a concern of the installation ladder.

The image layout that every strategy produces and every sandbox relies on:

- ``/opt/testbed``: the checkout at the base commit, a git repository owned by uid 1000; copied to ``/testbed`` when a
  sandbox starts. It was built at ``/testbed``, so editable installs point there;
- ``/opt/venv``: the environment, first on PATH;
- ``/opt/lock.txt``: what is installed in it, one ``name==version`` a line.
"""
