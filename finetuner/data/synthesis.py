"""Data that a teacher writes: what it is asked, and which of its answers become examples.

Two ways: the teacher *answers* given prompts, or it *writes requests* for given labels. Nothing here talks to a model.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from finetuner._core.hashing import json_sha256, unit_interval
from finetuner.data.contamination import contamination
from finetuner.data.duplicates import NEAR, find
from finetuner.data.examples import Example, Message, assistant, system, user
from finetuner.data.labels import spelling_key
from finetuner.data.ports import Examples
from finetuner.errors import DataFormatError, UsageError

_MOST_PROMPT_BYTES: Final = 64 * 1024 * 1024
_SHOTS: Final = 5
_AROUND: Final = ' \t\r\n"“”'


@attrs.frozen(kw_only=True)
class Request:
    """One thing that a teacher is asked.

    Attributes:
        messages: What it is given.
        prompt: The example's messages before the answer; empty where the teacher writes the request itself.
        label: The label of the request that the teacher writes; None where it answers.
        copy: 0 for the first time that the same is asked, 1 for the second, and so on.
    """

    messages: tuple[Message, ...]
    prompt: tuple[Message, ...] = ()
    label: str | None = None
    copy: int = 0

    @property
    def key(self) -> str:
        """64 hexadecimal digits: the same question, asked for the same time."""
        return json_sha256({"messages": self.messages, "copy": self.copy})

    def example(self, answer: str, first: str | None = None) -> Example:
        """The example that an answer makes.

        Args:
            answer: What the teacher wrote.
            first: The system prompt of the examples, where the teacher wrote a request.
        """
        metadata = {"synthetic": True}
        if self.label is None:
            return Example(messages=(*self.prompt, assistant(answer.strip())), metadata=metadata)
        instruction = (system(first),) if first else ()
        messages = (*instruction, user(answer.strip(_AROUND)), assistant(self.label))
        return Example(messages=messages, metadata={**metadata, "label": self.label})


def read_prompts(path: str | Path) -> tuple[str, ...]:
    """The prompts of a text file, one on each line; empty lines are left out.

    Raises:
        DataFormatError: There is no such file, it is too large or not UTF-8, or it holds no prompt.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MOST_PROMPT_BYTES:
            raise DataFormatError(f"has more than {_MOST_PROMPT_BYTES:,} bytes; split it", file=str(path))
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataFormatError("isn't UTF-8; save it as UTF-8", file=str(path)) from error
    except OSError as error:
        raise DataFormatError(f"can't be read: {error.strerror or error}", file=str(path)) from error
    prompts = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not prompts:
        raise DataFormatError("holds no prompt; write one on each line", file=str(path))
    return prompts


def to_answer(
    prompts: Iterable[str | Sequence[Message]],
    *,
    first: str | None = None,
    seeds: Sequence[Example] = (),
    copies: int = 1,
) -> tuple[Request, ...]:
    """What a teacher is asked so that it answers prompts, each different prompt once (or `copies` times).

    Args:
        prompts: Texts, or messages that end with a user's.
        first: The system prompt, also of the examples.
        seeds: Good examples; the first five are shown as earlier turns.
        copies: How many answers for each prompt.
    """
    shots = tuple(turn for seed in seeds[:_SHOTS] for turn in (user(seed.user_text), assistant(seed.completion)))
    begin = (system(first),) if first else ()
    found: dict[str, Request] = {}
    for prompt in prompts:
        turns = (user(prompt),) if isinstance(prompt, str) else tuple(prompt)
        if begin and turns and turns[0].role == "system":
            turns = turns[1:]
        for copy in range(copies):
            request = Request(messages=(*begin, *shots, *turns), prompt=(*begin, *turns), copy=copy)
            found.setdefault(request.key, request)
    return tuple(found.values())


def to_write(
    labels: Mapping[str, int], *, about: str | None = None, seeds: Sequence[Example] = (), seed: int = 0
) -> tuple[Request, ...]:
    """What a teacher is asked so that it writes requests that have given labels.

    Args:
        labels: How many requests for each label.
        about: Who writes, where, and about what, such as `a customer of a bank, in its app's chat`.
        seeds: Known requests; of those with the label, five others are shown each time.
        seed: Decides which.

    Raises:
        UsageError: A count is below 1.
    """
    if not labels or min(labels.values()) < 1:
        raise UsageError("give at least 1 request for each label, such as labels={'refund': 20}")
    known: defaultdict[str, list[str]] = defaultdict(list)
    for example in seeds:
        known[spelling_key(example.label)].append(example.user_text)
    names = ", ".join(labels)
    requests: list[Request] = []
    for label, count in labels.items():
        texts = known[spelling_key(label)]
        asked: Counter[tuple[Message, ...]] = Counter()
        for number in range(count):
            order = sorted(texts, key=lambda text: unit_interval(str(seed), str(number), text))
            messages = _order_to_write(label, names, about, order[:_SHOTS])
            requests.append(Request(messages=messages, label=label, copy=asked[messages]))
            asked[messages] += 1
    return tuple(requests)


def _order_to_write(label: str, names: str, about: str | None, shown: Sequence[str]) -> tuple[Message, ...]:
    task = (
        f"You write realistic messages{f' as {about}' if about else ''}. "
        f"They are sorted by what they want: {names}. Answer with the message alone."
    )
    like = "".join(f"\n- {' '.join(text.split())}" for text in shown)
    others = f"\nUnlike these in wording, detail, length and tone:{like}" if shown else ""
    return system(task), user(f"Write one message that is clearly: {label}.{others}")


@attrs.frozen(kw_only=True)
class Sifted:
    """What is left of new examples.

    Attributes:
        rows: 0-based numbers of the examples to keep, in order.
        dropped: How many were dropped, by reason: `like_a_seed`, `duplicate`, or a code of the review.
    """

    rows: tuple[int, ...]
    dropped: Mapping[str, int]


def sift(new: Examples, seeds: Examples, flagged: Mapping[int, str]) -> Sifted:
    """New examples without those that a review rejects, that repeat another, or that are nearly a seed.

    Args:
        new: What the teacher made.
        seeds: What there was before.
        flagged: For each rejected row the review's code.
    """
    reasons: dict[int, str] = {removal.row: "duplicate" for removal in find(new, NEAR).removed}
    if len(seeds):
        reasons |= {hit.row: "like_a_seed" for hit in contamination(seeds, new).hits}
    reasons |= dict(flagged)
    return Sifted(
        rows=tuple(row for row in range(len(new)) if row not in reasons), dropped=dict(Counter(reasons.values()))
    )
