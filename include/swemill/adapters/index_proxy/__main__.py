"""Runs the proxy inside its container: ``python -m swemill.adapters.index_proxy``."""

import logging
import os
import sys

import uvicorn

from swemill.adapters.index_proxy.app import make_app
from swemill.adapters.index_proxy.config import PORT, ProxyConfig


def main() -> None:
    """Serve until the container is stopped."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    # The library logs each request to the index with its whole URL, credentials included.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    # The container's own environment: the settings of SWE-Mill are of another process on another machine.
    config = ProxyConfig.of(os.environ)
    uvicorn.run(
        make_app(config), host="0.0.0.0", port=PORT, access_log=False, log_config=None, timeout_graceful_shutdown=2
    )


main()
