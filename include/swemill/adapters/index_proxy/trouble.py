"""What can go wrong on the way to the index, by the status that a build gets to see.

Messages name the cause in words of ours: no URL with its credentials, no message of a library that repeats one.
"""


class Trouble(Exception):
    """Base: the request ends with ``status`` and the message as its body."""

    status = 500


class Missing(Trouble):
    """The index does not have it, or never listed it."""

    status = 404


class Silent(Trouble):
    """The index does not answer now: installers ask again after this status."""

    status = 503


class Wrong(Trouble):
    """The index answers, but not with what it should: another format, other bytes than it lists, too many of them."""

    status = 502


class NoRoom(Trouble):
    """The proxy's own disk is full or broken."""

    status = 503
