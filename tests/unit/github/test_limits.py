"""GitHub's limits: how long each refusal lasts, and whom it stops."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from swemill.errors import RateLimited
from tests.unit.scripted_github import QUERY, Scripted, quota


def test_a_used_up_quota_is_waited_for(github, client, ledger):
    github.says(Scripted(status=403, body={"message": "API rate limit exceeded"}, headers=quota(0, reset_in=600)))
    with pytest.raises(
        RateLimited, match=r"GitHub's hourly quota \(5,000 requests\) is used up until ..:..:.. UTC"
    ) as e:
        client.get("/x")
    assert timedelta(seconds=590) < e.value.until - datetime.now(UTC) < timedelta(seconds=610)
    assert ledger.blocks.keys() == {"core"}
    assert ledger.blocks["core"][0] == e.value.until
    assert ("settle", "core", 0, 5000) in ledger.calls
    assert len(github.asked) == 1


def test_waits_go_by_githubs_clock(github, client):
    fast = datetime.now(UTC) + timedelta(hours=5)
    headers = {**quota(0, reset_in=5 * 3600 + 60)}
    github.script = lambda asked: Scripted(status=429, body={"message": "API rate limit"}, headers=headers)
    with pytest.raises(RateLimited) as caught:
        client.get("/x")
    assert caught.value.until > fast  # the server's Date is right, and so is its reset
    assert limits_wait(headers, date=fast) == pytest.approx(60, abs=3)
    assert limits_wait(quota(0, reset_in=-100), date=datetime.now(UTC)) == 1  # never a spin


def limits_wait(headers, *, date):
    from swemill.adapters.github.answers import Reply
    from swemill.adapters.github.limits import refused

    lower = {name.lower(): value for name, value in headers.items()}
    found = refused(Reply(status=403, headers=lower, body=b'{"message": "API rate limit exceeded"}', date=date))
    return found.wait.total_seconds()


def test_a_secondary_limit_stops_everything_for_as_long_as_asked(github, client, ledger):
    body = {"message": "You have exceeded a secondary rate limit. Please wait."}
    github.says(Scripted(status=403, body=body, headers={"Retry-After": "90", **quota(4000)}))
    with pytest.raises(RateLimited, match=r"secondary rate limit.* until") as caught:
        client.get("/x")
    assert timedelta(seconds=85) < caught.value.until - datetime.now(UTC) < timedelta(seconds=95)
    assert ledger.blocks.keys() == {"core", "graphql", "search"}


@pytest.mark.parametrize("retry", ["date", "7200000000000000", "soon", "Mon, 01 Jan 2024 00:00:00 +99999999999999"])
def test_any_retry_after_is_survived(github, client, retry):
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True) if retry == "date" else retry
    github.says(Scripted(status=429, body={"message": "slow down"}, headers={"Retry-After": value}))
    with pytest.raises(RateLimited) as caught:
        client.get("/x")
    assert timedelta(seconds=50) < caught.value.until - datetime.now(UTC) < timedelta(days=2)


def test_unnamed_waits_grow_and_are_forgotten_after_a_success(github, client):
    refusal = Scripted(status=403, body={"message": "You have triggered an abuse detection mechanism."})
    waits = []
    for answer in (refusal, refusal, refusal, Scripted(body={}), refusal):
        github.says(answer)
        try:
            client.get("/x")
        except RateLimited as limited:
            waits.append((limited.until - datetime.now(UTC)).total_seconds())
    assert [round(wait / 60, 1) >= least for wait, least in zip(waits, (1, 2, 4, 1), strict=True)] == [True] * 4
    assert waits[3] < 80
    github.script = lambda asked: refusal
    for _ in range(50):  # more than a doubled wait could be counted in
        with pytest.raises(RateLimited) as caught:
            client.get("/x")
    assert timedelta(minutes=15) < caught.value.until - datetime.now(UTC) < timedelta(minutes=20)


@pytest.mark.parametrize("kind", ["RATE_LIMITED", "RATE_LIMIT"])
def test_a_used_up_quota_inside_200(github, client, ledger, kind):
    errors = [{"type": kind, "message": "API rate limit exceeded for user ID 1."}]
    github.says(Scripted(body={"errors": errors}, headers=quota(0, resource="graphql", reset_in=300)))
    with pytest.raises(RateLimited, match=r"hourly quota \(5,000 points\)") as caught:
        client.graphql(QUERY, {}, cost=1)
    assert ledger.blocks == {"graphql": (caught.value.until, "GitHub's hourly quota (5,000 points) is used up")}
    assert ledger.spent("graphql") == 1


def test_a_secondary_limit_inside_200(github, client, ledger):
    github.says(Scripted(body={"data": None, "errors": [{"message": "You have exceeded a secondary rate limit."}]}))
    with pytest.raises(RateLimited, match="slow down"):
        client.graphql(QUERY, {}, cost=1)
    assert ledger.blocks.keys() == {"core", "graphql", "search"}


@pytest.mark.parametrize("left", [0, 17])
def test_a_used_up_quota_inside_200_ends_when_github_says(github, client, left):
    """What is said to be left may be more than nothing: it is used up all the same."""
    errors = [{"type": "RATE_LIMIT", "code": "graphql_rate_limit", "message": "API rate limit already exceeded"}]
    github.says(Scripted(body={"errors": errors}, headers=quota(left, resource="graphql", reset_in=1500)))
    with pytest.raises(RateLimited) as caught:
        client.graphql(QUERY, {}, cost=1)
    assert timedelta(seconds=1490) < caught.value.until - datetime.now(UTC) < timedelta(seconds=1510)


@pytest.mark.parametrize(
    "said",
    [
        {"remaining": 2**31},
        {"limit": 10**30},
        {"remaining": -1},
        {"resetAt": "0001-01-01T00:00:00+23:00"},
        {"resetAt": "9999-12-31T23:59:59-23:00"},
        {"resetAt": "2026-01-01T00:00:00"},
        {"resetAt": "soon"},
    ],
)
def test_numbers_that_no_quota_has_are_not_believed(github, client, ledger, said):
    whole = {"cost": 10**30, "remaining": 1, "limit": 5000, "resetAt": "2026-01-01T00:00:00Z"}
    github.says(Scripted(body={"data": {"rateLimit": {**whole, **said}}}, headers=quota(2**31, resource="graphql")))
    assert client.graphql(QUERY, {}, cost=3).points == 3
    assert ledger.calls == [("spend", "graphql", 3)]
