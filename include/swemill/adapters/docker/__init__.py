"""The container engine: one connection, one hardened policy, sandboxes, base images and builds.

Import the module you need. The ``docker`` library itself is imported inside functions only, so that a DAG file can
name these modules without paying for it.
"""
