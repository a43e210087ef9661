import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.errors import JobTimeoutError, NotFoundError, ProviderConnectionError, RateLimitError
from finetuner.providers.ports import RUNNING, SUCCEEDED, JobEvent, JobRequest, JobSnapshot
from finetuner.testing import FakeClock, ScriptedProvider
from finetuner.training.watching import FIRST, SLOWEST, Pace, Watch, Watched

DOWN = ProviderConnectionError("no network", retryable=True)


def job(id="job", status=RUNNING, **changes):
    return JobSnapshot(id=id, model="m", status=status, created_at=0.0, **changes)


def scripted(**script):
    """A provider with a created job, ready to be watched."""
    provider = ScriptedProvider(**script)
    snapshot = provider.trainer.create(JobRequest(model="scripted-base", training_file="f", key="k"))
    return provider, Watched(provider="scripted", snapshot=snapshot, trainer=provider.trainer)


def watched_to_the_end(watch, clock):
    while (delay := watch.look()) is not None:
        clock.sleep(delay)


class TestPace:
    def test_it_slows_down_while_nothing_changes_and_is_fast_again_after_a_change(self):
        pace = Pace()
        delays = [(pace := pace.after([job()], 0.0)).delay for _ in range(40)]
        assert delays == sorted(delays)
        assert (delays[0], delays[-1]) == (FIRST, SLOWEST)
        assert pace.after([job(status="paused")], 0.0).delay == FIRST

    def test_near_the_estimated_end_it_is_faster(self):
        slow = Pace(delay=SLOWEST, seen=(("job", RUNNING, None),))
        assert slow.after([job(estimated_finish=1000.0)], 0.0).delay == SLOWEST
        assert slow.after([job(estimated_finish=1000.0)], 970.0).delay == 3.0
        assert slow.after([job(estimated_finish=1000.0)], 1200.0).delay == 1.0, (
            "a wrong estimate doesn't make it frantic"
        )

    def test_it_waits_as_long_as_the_provider_asks(self):
        assert Pace().failed(RateLimitError("slow down", retryable=True, retry_after=42.0), 0.0).delay == 42.0

    def test_an_outage_is_outlasted_for_ten_minutes_and_then_told(self):
        pace = Pace().failed(DOWN, 0.0).failed(DOWN, 599.0)
        assert 1.0 <= pace.delay <= SLOWEST
        with pytest.raises(ProviderConnectionError) as caught:
            pace.failed(ProviderConnectionError("no network", retryable=True), 601.0)
        assert "wait again to re-attach" in caught.value.__notes__[0]
        assert pace.after([job()], 0.0).failing_since is None

    def test_what_is_not_worth_retrying_is_told_at_once(self):
        with pytest.raises(NotFoundError):
            Pace().failed(NotFoundError("no such job"), 0.0)

    @settings(deadline=None)  # the clock belongs to whoever else runs here
    @given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), max_size=50))
    def test_delays_stay_between_the_fastest_and_the_slowest(self, looks):
        pace = Pace()
        for finish, changed in looks:
            pace = pace.after([job(estimated_finish=finish, epoch=1 if changed else 2)], 0.0)
            assert FIRST <= pace.delay <= SLOWEST


class TestWatch:
    def test_an_outage_in_between_loses_nothing(self):
        _, one = scripted(failures={"get": [DOWN, None, DOWN, DOWN]})
        clock, told = FakeClock(), []
        watch = Watch([one], timeout=None, clock=clock, on_event=lambda _, event: told.append(event.id))
        watched_to_the_end(watch, clock)
        assert watch.seen[one.snapshot.id].status == SUCCEEDED
        assert len(set(told)) == len(told) == 4

    def test_the_end_of_time_is_not_slept_past(self):
        _, one = scripted(statuses=["queued"])
        clock = FakeClock()
        with pytest.raises(JobTimeoutError, match="hasn't ended after 60 s; it goes on, wait again to re-attach"):
            watched_to_the_end(Watch([one], timeout=60, clock=clock), clock)
        assert math.isclose(clock.monotonic(), 60)

    def test_many_jobs_of_a_provider_share_one_look(self):
        provider, _ = scripted()
        jobs = [
            provider.trainer.create(JobRequest(model="scripted-base", training_file="f", key=str(n))) for n in range(5)
        ]
        gets, lists = [], []
        provider.trainer.list = lambda limit: lists.append(limit) or tuple(job(each.id, SUCCEEDED) for each in jobs)
        provider.trainer.get = gets.append
        watch = Watch(
            [Watched(provider="scripted", snapshot=job(each.id), trainer=provider.trainer) for each in jobs],
            timeout=None,
            clock=FakeClock(),
        )
        assert watch.look() is None
        assert (len(lists), gets) == (1, [])

    def test_a_job_that_the_list_does_not_hold_is_looked_at_itself(self):
        first, one = scripted()
        second, two = scripted(statuses=["succeeded"])
        first.trainer.list = lambda _limit: (job("somebody else's"),)
        two = Watched(provider="scripted", snapshot=job("ftjob-scripted-1"), trainer=second.trainer)
        one = Watched(provider="scripted", snapshot=job("missing"), trainer=first.trainer)
        watch = Watch([two], timeout=None, clock=FakeClock())
        assert watch.look() is None
        with pytest.raises(NotFoundError):
            Watch([one, two], timeout=None, clock=FakeClock()).look()

    def test_who_shows_progress_is_told_of_each_look_with_the_events(self):
        event = JobEvent(id="e", created_at=0.0, message="step 1", metrics={"step": 1})
        _, one = scripted(events=[event])
        clock, looks = FakeClock(), []
        watch = Watch(
            [one], timeout=None, clock=clock, on_look=lambda seen, events: looks.append((seen.status, events[0]))
        )
        watched_to_the_end(watch, clock)
        assert [status for status, _ in looks][-1] == SUCCEEDED
        assert all(first == event for _, first in looks)
