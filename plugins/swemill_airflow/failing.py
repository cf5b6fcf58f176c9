"""Which failures are worth a retry: infrastructure trouble is, a user's mistake is not."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from swemill.errors import ProviderRejected, UserError


@contextmanager
def failing_fast() -> Iterator[None]:
    """Fail at once, without retries, what only a person can mend; its message names the way out."""
    try:
        yield
    except (UserError, ProviderRejected) as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
