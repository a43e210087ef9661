"""Production logs of the demo's model before tuning: request/response pairs by day, with planted problems."""

import gzip
import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs

from finetuner.demo.requests import INTENTS, Request, held_out_requests, logged_requests, seeded
from finetuner.demo.wording import PERSONAL_DATA, dress, mistype, sign
from finetuner.errors import UsageError

SYSTEM: Final = (
    f"You sort the support requests of an online shop. Classify the customer's request. "
    f"Answer with one of: {', '.join(INTENTS)}."
)
"""The system prompt of every logged request."""

MODEL: Final = "support-triage-v1"
"""The model that answered in the logs."""

_FIRST_DAY: Final = datetime(2026, 10, 1, tzinfo=UTC)
_DAYS: Final = 14
_COMPRESSED_DAY: Final = 5
_USERS: Final = 900

_PERSONAL_SHARE: Final = 0.05
_DUPLICATES: Final = 64
_NEAR_DUPLICATES: Final = 54
_ERRORS: Final = 24
# Answers that replace the right one, by kind; together they leave over 1,500 requests with a usable answer.
_ODD_ANSWERS: Final = {
    "mislabeled": 34,
    "spelling": 14,
    "truncated": 8,
    "empty": 8,
    "boilerplate": 6,
    "json": 4,
    "echo": 2,
}
_FEEDBACK_SHARE: Final = 0.25
_TOKENS_PER_CHARACTER: Final = 0.25
_BOILERPLATE: Final = (
    "As an AI language model, I can't look into customer accounts.",
    "I'm sorry, but I can't help with that request.",
    "As an AI, I don't have enough information to classify this message.",
)


@attrs.frozen(kw_only=True)
class Entry:
    """One planned line of the logs, with what the logs themselves don't say.

    Args:
        text: The customer's message as logged.
        label: The true label.
        answer: What the model answered; None where the call failed.
        kind: "clean", "duplicate", "near_duplicate", "error", or an odd answer: "mislabeled", "spelling",
            "truncated", "empty", "boilerplate", "json", "echo".
        user: Who wrote it; some users write several times.
        personal: The kind of personal data in the text, a key of `PERSONAL_DATA`; None where there is none.
    """

    text: str
    label: str
    answer: str | None
    kind: str
    user: str
    personal: str | None = None


def _user(rng: random.Random) -> str:
    # Squaring makes low numbers frequent: a few customers write often, most write once or twice.
    return f"u-{int(_USERS * rng.random() ** 2):04d}"


def _clean(request: Request, rng: random.Random) -> Entry:
    text = dress(request, rng)
    personal = rng.choice(sorted(PERSONAL_DATA)) if rng.random() < _PERSONAL_SHARE else None
    return Entry(
        text=sign(text, personal, rng) if personal else text,
        label=request.label,
        answer=request.label,
        kind="clean",
        user=_user(rng),
        personal=personal,
    )


def _odd(entry: Entry, kind: str, rng: random.Random) -> Entry:
    spoken = entry.label.replace("_", " ")
    answers = {
        "mislabeled": rng.choice([label for label in INTENTS if label != entry.label]),
        "spelling": rng.choice((spoken.capitalize(), spoken.title(), entry.label.upper(), f"{entry.label}.")),
        "truncated": entry.label[: len(entry.label) // 2],
        "empty": "",
        "boilerplate": rng.choice(_BOILERPLATE),
        "json": json.dumps({"intent": entry.label}),
        "echo": entry.text,
    }
    return attrs.evolve(entry, answer=answers[kind], kind=kind)


def _repeats(entries: list[Entry], rng: random.Random) -> list[Entry]:
    sources = rng.sample([entry for entry in entries if entry.kind == "clean"], _DUPLICATES + _ERRORS)
    exact = [attrs.evolve(entry, kind="duplicate") for entry in sources[:_DUPLICATES]]
    failed = [attrs.evolve(entry, kind="error", answer=None) for entry in sources[_DUPLICATES:]]
    # A mistyped letter in a short message changes too much of it to be called a near duplicate.
    plain = [entry for entry in entries if entry.kind == "clean" and not entry.personal]
    longest = sorted(plain, key=lambda entry: len(entry.text), reverse=True)[: len(plain) // 3]
    near = [
        attrs.evolve(entry, text=mistype(entry.text, rng), kind="near_duplicate")
        for entry in rng.sample(longest, _NEAR_DUPLICATES)
    ]
    return [*exact, *near, *failed]


def plan(seed: int = 0) -> tuple[Entry, ...]:
    """The lines that `write_logs` writes, in their order, with the true labels and the planted problems named.

    Args:
        seed: Equal seeds give equal plans.

    Returns:
        About 1,800 entries over at least 1,500 distinct requests.
    """
    rng = seeded(seed)
    entries = [_clean(request, rng) for request in logged_requests()]
    rng.shuffle(entries)
    kinds = [kind for kind, count in _ODD_ANSWERS.items() for _ in range(count)]
    entries[: len(kinds)] = [_odd(entry, kind, rng) for entry, kind in zip(entries, kinds, strict=False)]
    entries += _repeats(entries, rng)
    rng.shuffle(entries)
    return tuple(entries)


def _tokens(text: str) -> int:
    return max(1, round(len(text) * _TOKENS_PER_CHARACTER))


def _response(entry: Entry, answer: str, number: int) -> dict[str, Any]:
    prompt, completion = _tokens(SYSTEM + entry.text), _tokens(answer)
    return {
        "id": f"chatcmpl-{number:06d}",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer},
                "finish_reason": "length" if entry.kind == "truncated" else "stop",
            }
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    }


def _record(entry: Entry, number: int, moment: datetime, rng: random.Random) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": f"log-{number:06d}",
        "created_at": moment.isoformat(),
        "user": entry.user,
        "conversation": f"c-{number:06d}",
        "request": {
            "model": MODEL,
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": entry.text}],
            "temperature": 0,
        },
        "latency": round(0.2 + rng.expovariate(4), 3),
    }
    if entry.answer is None:
        status, code = rng.choice(((429, "rate_limit_exceeded"), (500, "server_error"), (503, "overloaded")))
        record["error"] = {"status": status, "code": code, "message": f"The request failed with HTTP {status}."}
        return record
    record["response"] = _response(entry, entry.answer, number)
    if rng.random() < _FEEDBACK_SHARE:
        record["feedback"] = {"score": int(entry.answer == entry.label)}
    return record


def write_logs(folder: Path, seed: int = 0) -> Path:
    """Write the logs as one JSONL file per day, one of them gzipped.

    Args:
        folder: Where to write; it is created where absent.
        seed: Equal seeds give equal bytes.

    Returns:
        The folder.
    """
    entries = plan(seed)
    rng = seeded(seed)
    step = timedelta(days=_DAYS) / len(entries)
    days: defaultdict[str, list[str]] = defaultdict(list)
    for number, entry in enumerate(entries):
        moment = _FIRST_DAY + (number * step)
        record = _record(entry, number, moment.replace(microsecond=0), rng)
        days[moment.date().isoformat()].append(json.dumps(record, ensure_ascii=False))
    folder.mkdir(parents=True, exist_ok=True)
    for position, (day, lines) in enumerate(days.items()):
        content = ("\n".join(lines) + "\n").encode()
        if position == _COMPRESSED_DAY:
            (folder / f"{day}.jsonl.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / f"{day}.jsonl").write_bytes(content)
    return folder


def fresh_requests(n: int, seed: int = 0) -> tuple[tuple[str, str, str], ...]:
    """Live traffic for the shadow and A/B phases: requests whose wording is in no log.

    Args:
        n: How many; from 301 on, requests return, worded with another subject, greeting, or typing mistake.
        seed: Equal seeds give equal traffic.

    Returns:
        `(unit, text, true_label)` tuples; a unit is a customer, and some return.

    Raises:
        UsageError: `n` is negative.
    """
    if n < 0:
        raise UsageError(f"n is {n}, but a number of requests can't be negative. Ask for 0 or more.")
    rng = seeded(seed)
    pool = list(held_out_requests())
    drawn: list[Request] = []
    while len(drawn) < n:
        rng.shuffle(pool)
        drawn += pool
    return tuple((f"visitor-{rng.randrange(n):05d}", dress(request, rng), request.label) for request in drawn[:n])
