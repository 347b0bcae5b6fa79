"""LiteLLM as a client of a running gateway."""

import asyncio
import json
import os
from importlib.metadata import version

# It fetches a list of prices over the network unless told not to.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from cases import API_KEY, BASE_URL, EXACT, MESSAGES, MODEL, TEXT, TOOL, case, expect, main

litellm.telemetry = False
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def arguments(**options):
    return {
        "model": f"openai/{MODEL}", "api_base": BASE_URL, "api_key": API_KEY,
        "num_retries": 0, "max_tokens": 64, **options,
    }


@case
def completion():
    answer = litellm.completion(messages=MESSAGES, **arguments())
    expect(answer.choices[0].message.content and answer.usage.total_tokens > 0, answer)
    if EXACT:
        expect(answer.choices[0].message.content == TEXT, answer)


@case
def completion_asynchronous():
    async def run():
        return await asyncio.gather(*[
            litellm.acompletion(messages=MESSAGES, **arguments()) for _ in range(3)
        ])

    expect(all(answer.choices[0].message.content for answer in asyncio.run(run())), "text")


@case
def stream_with_usage():
    chunks = list(litellm.completion(
        messages=MESSAGES, stream=True, stream_options={"include_usage": True}, **arguments()
    ))
    whole = litellm.stream_chunk_builder(chunks, messages=MESSAGES)
    expect(whole.choices[0].message.content and whole.usage.total_tokens > 0, whole)
    if EXACT:
        expect(whole.choices[0].message.content == TEXT, whole)


@case
def stream_asynchronous():
    async def run():
        stream = await litellm.acompletion(messages=MESSAGES, stream=True, **arguments())
        return [chunk async for chunk in stream]

    expect("".join(chunk.choices[0].delta.content or "" for chunk in asyncio.run(run())), "text")


@case
def tool_called_and_answered():
    asked = litellm.completion(messages=MESSAGES, tools=[TOOL], **arguments())
    message = asked.choices[0].message
    if EXACT:
        expect(json.loads(message.tool_calls[0].function.arguments) == {"city": "Paris"}, asked)
    if not message.tool_calls:
        return "served; the model called nothing"
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    litellm.completion(messages=[*MESSAGES, message, result], tools=[TOOL], **arguments())


@case
def structured_output():
    answer = litellm.completion(
        messages=[{"role": "user", "content": "Ada, 36. As JSON."}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "strict": True, "schema": SCHEMA},
        },
        **arguments(),
    )
    person = json.loads(answer.choices[0].message.content)
    expect(set(person) == {"name", "age"}, person)


@case
def text_completion():
    answer = litellm.text_completion(prompt="Once", **arguments(model=f"text-completion-openai/{MODEL}"))
    expect(answer.choices[0].text, answer)


@case
def embedding():
    options = arguments()
    del options["max_tokens"]
    try:
        answer = litellm.embedding(input=["one", "two"], encoding_format="float", **options)
    except litellm.BadRequestError as error:
        expect(not EXACT and "feature" in str(error), error)
        return "no node offers embeddings"
    expect(len(answer.data) == 2 and isinstance(answer.data[0]["embedding"][0], float), answer)


@case
def responses():
    options = arguments()
    options["max_output_tokens"] = options.pop("max_tokens")
    answer = litellm.responses(input="Say hello.", **options)
    expect(any(item.type == "message" for item in answer.output), answer)
    kinds = [str(event.type) for event in litellm.responses(input="Say hello.", stream=True, **options)]
    expect(any("completed" in kind.lower() for kind in kinds), kinds)


@case
def errors_are_told_apart():
    for options, kind in [
        ({"model": "openai/no-such"}, litellm.NotFoundError),
        ({"api_key": "sk-wrong"}, litellm.AuthenticationError),
        ({"n": 0}, litellm.BadRequestError),
    ]:
        try:
            litellm.completion(messages=MESSAGES, **arguments(**options))
        except kind:
            continue
        raise AssertionError(f"{kind.__name__} was not raised")


main(f"litellm {version('litellm')}")
