"""The container engine: one connection, one hardened policy, sandboxes, base images and builds.

Names are re-exported lazily by nobody: import the module you need. The ``docker`` library itself is imported inside
functions only, so that a DAG file can name these modules without paying for it.
"""
