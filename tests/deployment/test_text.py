"""A report says what happened, once, and what did not happen isn't spelled out figure by figure."""

from collections.abc import Iterator

from finetuner.deployment.experiment import report
from finetuner.deployment.observations import Observation
from finetuner.deployment.state import Arm
from finetuner.deployment.text import report_text


def served(n: int, *, share: float, errors: int = 0) -> Iterator[Observation]:
    for number in range(n):
        arm: Arm = "tuned" if number % 2 and share else "base"
        yield Observation(
            kind="exposure",
            request_id=f"r{number}",
            at=float(number),
            unit=f"u{number}",
            stage=1,
            share=share,
            assigned=arm,
            served=arm,
            analyzed=True,
            latency=0.5,
            error="TimeoutError" if arm == "tuned" and number < 2 * errors else None,
        )


def shadowed(n: int, *, failed: int = 0) -> Iterator[Observation]:
    for number in range(n):
        error = "TimeoutError" if number < failed else None
        yield Observation(kind="shadow", request_id=f"r{number}", at=1000.0 + number, stage=1, latency=0.8, error=error)


def test_nothing_served_is_said_once() -> None:
    told = report_text(report([], stage=0)).splitlines()
    assert told == ["no requests yet", "quality: not enough data (no feedback and no shadow pairs yet)"]


def test_a_shadow_tells_answers_errors_latency_and_scored_pairs() -> None:
    lost = Observation(kind="shadow", request_id="r0", at=2000.0, stage=1, lost="queue-full")
    verdicts = [
        Observation(
            kind="verdict", request_id=f"r{n}", at=3000.0, stage=1, unit=f"u{n}", quality=0.5, tuned_quality=n % 2
        )
        for n in range(40)
    ]
    events = [*served(200, share=0.0), *shadowed(200, failed=3), lost]
    told = report_text(report(events, stage=1)).splitlines()
    assert told[0].startswith("shadow: 200 answers of tuned beside base's, 3 failed (1.50%), 0 of base, p50 0.8")
    assert "p95 0.8" in told[0]
    assert told[0].endswith("no pair scored yet, lost: queue-full 1")
    assert told[1] == "no requests yet that the tuned model could answer"
    scored = report_text(report([*events, *verdicts], stage=1)).splitlines()
    assert "40 pairs scored, of 40 units" in scored[0]
    assert any(line.startswith("quality on shadow pairs, tuned minus base: ") for line in scored)


def test_both_arms_are_told_and_a_guardrail_without_bad_events_is_short() -> None:
    told = report_text(report(served(400, share=0.5, errors=4), stage=1))
    assert "base: 200 units, 200 requests, 0.00% errors" in told
    assert "tuned: 200 units, 200 requests, 2.00% errors" in told
    assert "guardrail errors: 4 units of tuned, 0 of base, log evidence" in told
    assert "guardrail invalid: none in either arm" in told
    assert told.splitlines()[-1] == "lost events: 0.00%"
