"""The edges: everything that talks to a forge, an engine, a provider, a node or a disk. One port, one module."""
