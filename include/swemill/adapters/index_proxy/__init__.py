"""The caching package-index proxy: the only thing that a build can reach, run in a container of its own.

It is code of ours because no kept library does what builds need together: upload times passed on and resolutions as of
a date, listings and files both on disk, ranges, contents verified before they are whole, and stale answers when the
index is down.

These modules are copied into the proxy's image (``adapters.docker.build_network``), so they import nothing of SWE-Mill
but each other. Builds are hostile: what they send is a project's name, a date, a file's hash and name, and nothing
else; a URL is asked of the network only if a listing of the configured index named it.
"""
