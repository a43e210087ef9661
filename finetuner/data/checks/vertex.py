"""What Vertex AI takes as a line of training data for Gemini: supervised and preference.

Sources: Google Cloud, "Prepare supervised fine-tuning data" and "Prepare preference tuning data", 2026.
"""

from collections.abc import Iterator
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.checks import parts
from finetuner.data.formats.fields import listed
from finetuner.data.formats.vertex import SYSTEM_KEYS
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object

_KEYS: Final = frozenset({"systemInstruction", "contents", "tools", "generationConfig", "labels"})
_PAIR_KEYS: Final = frozenset({"system_instruction", "contents", "completions"})
_PART_KEYS: Final = (
    ("text", "text"),
    ("fileData", "file_data"),
    ("functionCall", "function_call"),
    ("functionResponse", "function_response"),
)
_OTHERS_WORDS: Final = {
    "assistant": '"assistant" is OpenAI\'s word; Gemini calls it "model"',
    "system": "Gemini has no system role inside contents",
    "developer": "Gemini has no developer role",
    "tool": 'Gemini gives a tool\'s answer as a functionResponse of the role "user"',
}


def check_contents(record: JsonObject) -> Iterator[Problem]:
    """All problems of a supervised line."""
    yield from parts.unknown_keys(record, _KEYS | {SYSTEM_KEYS[1]}, "", "warning")
    yield from _system(record)
    yield from _tools(record.get("tools"))
    if "contents" not in record:
        yield parts.missing(record, "contents", "missing_contents", _hint(record))
        return
    contents = record["contents"]
    yield from _contents(contents, text_only=False)
    if is_list(contents) and contents and is_object(contents[-1]):
        role = contents[-1].get("role")
        if role not in ("model", "assistant", None):
            yield Problem(
                code="no_assistant_end",
                field=f"contents[{len(contents) - 1}].role",
                message=f'the last turn is by "{role}"; the model learns from a turn of "model" at the end',
                fix="Add the answer that the model should give",
            )
    if is_list(contents):
        yield from _asked(contents)
        yield from _function_use(contents, record.get("tools"))


def check_pair(record: JsonObject) -> Iterator[Problem]:
    """All problems of a preference line."""
    yield from parts.unknown_keys(record, _PAIR_KEYS | {SYSTEM_KEYS[0]}, "", "warning")
    if record.get(SYSTEM_KEYS[0]) is not None:
        yield Problem(
            code="camel_case",
            severity="warning",
            field=SYSTEM_KEYS[0],
            message="preference lines are documented with the key system_instruction",
            fix="Rename it, or convert the file: fine-tuner-cc convert FILE --to vertex-preference",
        )
    yield from _system(record)
    if "contents" not in record:
        yield parts.missing(record, "contents", "missing_contents", _hint(record))
    else:
        contents = record["contents"]
        yield from _contents(contents, text_only=True)
        if is_list(contents):
            yield from _asked(contents)
        if is_list(contents) and contents and is_object(contents[-1]) and contents[-1].get("role") == "model":
            yield Problem(
                code="ends_with_assistant",
                field=f"contents[{len(contents) - 1}].role",
                message="the contents end with the model's turn, but both answers are still to come",
                fix="Move it into the completions, or drop it",
            )
    yield from _completions(record)


def _asked(contents: list[Json]) -> Iterator[Problem]:
    if contents and not any(is_object(turn) and turn.get("role") == "user" for turn in contents):
        yield Problem(
            code="no_user",
            severity="warning",
            field="contents",
            message="there is no turn of the user, so the model learns to answer nothing",
            fix="Give the request that was answered",
        )


def _function_use(contents: list[Json], tools: Json) -> Iterator[Problem]:
    """Calls of functions that aren't declared, and answers to calls that nobody made."""
    declared, called = _declared(tools), set[str]()
    for n, turn in enumerate(contents):
        given = turn.get("parts") if is_object(turn) else None
        for m, part in enumerate(given if is_list(given) else []):
            if not is_object(part):
                continue
            place = f"contents[{n}].parts[{m}]"
            call = part.get("functionCall", part.get("function_call"))
            answer = part.get("functionResponse", part.get("function_response"))
            if is_object(call) and isinstance(call.get("name"), str):
                called.add(call["name"])
                if call["name"] not in declared:
                    yield Problem(
                        code="undeclared_tool",
                        severity="warning",
                        field=f"{place}.functionCall.name",
                        message=f"{call['name']!r} isn't among the line's tools",
                        fix='Declare it under "tools", as the request would',
                    )
            if is_object(answer) and isinstance(answer.get("name"), str) and answer["name"] not in called:
                yield Problem(
                    code="answer_without_call",
                    severity="warning",
                    field=f"{place}.functionResponse.name",
                    message=f"{answer['name']!r} wasn't called before",
                    fix="Use the name of the call that it answers",
                )


def _declared(tools: Json) -> set[str]:
    lists = [
        declared
        for tool in (tools if is_list(tools) else [])
        if is_object(tool) and is_list(declared := tool.get("functionDeclarations", tool.get("function_declarations")))
    ]
    functions = [function for declared in lists for function in declared if is_object(function)]
    return {str(function.get("name")) for function in functions}


def _hint(record: JsonObject) -> str:
    if "messages" in record or "input" in record:
        return "This is a line for OpenAI; convert it: fine-tuner-cc convert FILE --to vertex"
    return 'Write {"contents": [{"role": "user", "parts": [{"text": …}]}, {"role": "model", "parts": [{"text": …}]}]}'


def _system(record: JsonObject) -> Iterator[Problem]:
    for key in SYSTEM_KEYS:
        given = record.get(key)
        if given is None:
            continue
        if not is_object(given):
            yield parts.wrong_type(given, key, 'an object such as {"parts": [{"text": …}]}')
            continue
        yield from _parts(given, key, text_only=True)


def _contents(contents: Json, *, text_only: bool) -> Iterator[Problem]:
    if not is_list(contents):
        yield parts.wrong_type(contents, "contents", "a list of turns")
        return
    if not contents:
        yield Problem(
            code="empty_contents", field="contents", message="is empty", fix="Give at least a user's and a model's turn"
        )
    for n, content in enumerate(contents):
        yield from _content(content, f"contents[{n}]", text_only=text_only)


def _content(content: Json, field: str, *, text_only: bool) -> Iterator[Problem]:
    if not is_object(content):
        yield parts.wrong_type(content, field, "an object with role and parts")
        return
    role = content.get("role")
    if "role" not in content:
        yield parts.missing(content, f"{field}.role", "missing_role", 'Say who speaks: "user" or "model"')
    elif role not in ("user", "model"):
        fix = "Move its text to systemInstruction" if role in ("system", "developer") else 'Write "user" or "model"'
        said = _OTHERS_WORDS.get(str(role), f'{role!r} is neither "user" nor "model"')
        yield Problem(
            code="wrong_role", field=f"{field}.role", message=said, fix='Write "model"' if role == "assistant" else fix
        )
    yield from _parts(content, field, text_only=text_only)


def _parts(content: JsonObject, field: str, *, text_only: bool) -> Iterator[Problem]:
    if "parts" not in content:
        fix = 'Gemini wants "parts": [{"text": …}]' + (" instead of content" if "content" in content else "")
        yield parts.missing(content, f"{field}.parts", "missing_parts", fix)
        return
    given = content["parts"]
    if not is_list(given):
        yield parts.wrong_type(given, f"{field}.parts", "a list of parts")
        return
    if not given:
        yield Problem(
            code="empty_content", field=f"{field}.parts", message="is an empty list", fix="Give at least one part"
        )
    for n, part in enumerate(given):
        yield from _part(part, f"{field}.parts[{n}]", text_only=text_only)


def _part(part: Json, field: str, *, text_only: bool) -> Iterator[Problem]:
    if not is_object(part):
        yield parts.wrong_type(part, field, 'an object such as {"text": …}')
        return
    known = [camel for camel, snake in _PART_KEYS if part.get(camel) is not None or part.get(snake) is not None]
    if len(known) != 1:
        found = f"has {listed(known)} at once" if known else f"has none of the known kinds, but {listed(part)}"
        yield Problem(
            code="bad_part",
            field=field,
            message=f"{found}; a part is one of {listed(camel for camel, _ in _PART_KEYS)}",
            fix="Give each its own part",
        )
    elif known[0] == "text":
        yield from _text(part["text"], f"{field}.text")
    elif text_only:
        yield Problem(code="not_text", field=field, message="only text may stand here", fix="Describe it in text")
    elif known[0] == "fileData":
        yield from _file(part.get("fileData", part.get("file_data")), f"{field}.fileData")
    else:
        snake = dict(_PART_KEYS)[known[0]]
        yield from _function(
            part.get(known[0], part.get(snake)), f"{field}.{known[0]}", call=known[0] == "functionCall"
        )


def _text(text: Json, field: str) -> Iterator[Problem]:
    if not isinstance(text, str):
        yield parts.wrong_type(text, field, "text")
    elif not text.strip():
        said = "is empty" if not text else "holds only white space"
        yield Problem(code="empty_content", field=field, message=said, fix="Give the text, or drop the example")


def _file(file: Json, field: str) -> Iterator[Problem]:
    if not is_object(file):
        yield parts.wrong_type(file, field, "an object with mimeType and fileUri")
        return
    uri = file.get("fileUri", file.get("file_uri"))
    if not isinstance(uri, str) or not uri.startswith("gs://"):
        yield Problem(
            code="bad_file",
            field=f"{field}.fileUri",
            message="must be the gs:// address of a file in Cloud Storage",
            fix="Copy the file to a bucket and give its address",
        )
    if not isinstance(file.get("mimeType", file.get("mime_type")), str):
        yield Problem(
            code="bad_file", field=f"{field}.mimeType", message="is missing or no text", fix="Write, say, image/png"
        )


def _function(value: Json, field: str, *, call: bool) -> Iterator[Problem]:
    key = "args" if call else "response"
    if not is_object(value):
        yield parts.wrong_type(value, field, f"an object with name and {key}")
        return
    if not isinstance(value.get("name"), str) or not value["name"]:
        yield Problem(
            code="bad_function", field=f"{field}.name", message="is missing or no text", fix="Name the function"
        )
    if not is_object(value.get(key, {} if call else None)):
        yield Problem(
            code="bad_function",
            field=f"{field}.{key}",
            message="must be an object, not its text",
            fix="Write the JSON itself",
        )


def _tools(tools: Json) -> Iterator[Problem]:
    if tools is None:
        return
    if not is_list(tools):
        yield parts.wrong_type(tools, "tools", "a list of tools")
        return
    for n, tool in enumerate(tools):
        declared = tool.get("functionDeclarations", tool.get("function_declarations")) if is_object(tool) else None
        place = f"tools[{n}]"
        if not is_list(declared):
            yield Problem(
                code="bad_tool",
                field=place,
                message='isn\'t {"functionDeclarations": […]}',
                fix="Wrap the definitions so, or convert the file: fine-tuner-cc convert FILE --to vertex",
            )
            continue
        for m, function in enumerate(declared):
            yield from parts.function(function, f"{place}.functionDeclarations[{m}]")
        yield from parts.many(declared, f"{place}.functionDeclarations")


def _completions(record: JsonObject) -> Iterator[Problem]:
    if "completions" not in record:
        fix = 'Write "completions": [{"score": 1, "completion": {…}}, {"score": 0, "completion": {…}}]'
        yield parts.missing(record, "completions", "missing_answer", fix)
        return
    completions = record["completions"]
    if not is_list(completions):
        yield parts.wrong_type(completions, "completions", "a list of two answers")
        return
    scores: list[Json] = []
    answers: list[Json] = []
    for n, item in enumerate(completions):
        field = f"completions[{n}]"
        if not is_object(item):
            yield parts.wrong_type(item, field, "an object with score and completion")
            continue
        scores.append(item.get("score"))
        yield from _content(item.get("completion"), f"{field}.completion", text_only=True)
        completion = item.get("completion")
        answers.append(completion)
        if is_object(completion) and completion.get("role") == "user":
            yield Problem(
                code="wrong_role",
                field=f"{field}.completion.role",
                message='an answer is given by "model"',
                fix='Write "model"',
            )
    if (
        len(completions) != len((0, 1))
        or {repr(score) for score in scores} - {"0", "1", "0.0", "1.0"}
        or len({float(score) for score in scores}) != len((0, 1))
    ):
        yield Problem(
            code="bad_scores",
            field="completions",
            message="there must be exactly one answer with score 1 and one with score 0",
            fix="Keep one better and one worse answer",
        )
    if len(answers) == len((0, 1)) and is_object(answers[0]) and answers[0] == answers[1]:
        yield Problem(
            code="same_answers",
            field="completions",
            message="both answers are the same, so there is nothing to prefer",
            fix="Drop the example",
        )
