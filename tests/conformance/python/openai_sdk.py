"""The official OpenAI SDK for Python against a running gateway: what a developer's code does, unmodified.

The SDK's types are generated from OpenAI's published schema. With `_strict_response_validation` it refuses every
answer and every chunk that does not fit them, instead of taking what comes as it does by default."""

import asyncio
import itertools
import json
from urllib.parse import urlsplit

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from cases import API_KEY, BASE_URL, EXACT, LENGTH, MESSAGES, MODEL, TEXT, TOOL, case, expect, main

STRICT = {
    "base_url": BASE_URL, "api_key": API_KEY, "max_retries": 0, "_strict_response_validation": True,
}
client = OpenAI(**STRICT)
# Where OpenAI's own answers do not fit its schema, or the SDK's habits do not fit its check.
lenient = OpenAI(**{**STRICT, "_strict_response_validation": False})


@case
def models_are_listed_and_looked_up():
    listed = [model.id for model in client.models.list()]
    expect(MODEL in listed, listed)
    expect(client.models.retrieve(MODEL).id == MODEL, "retrieve")


@case
def chat_completion():
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=16)
    expect(answer.object == "chat.completion" and answer.choices[0].message.role == "assistant", answer)
    expect(answer.choices[0].message.content and answer.usage.completion_tokens > 0, answer)
    expect("logprobs" in answer.choices[0].model_fields_set, "logprobs is there, if null")
    expect("refusal" in answer.choices[0].message.model_fields_set, "refusal is there, if null")
    expect(answer._request_id.startswith("req_"), "x-request-id")
    if EXACT:
        expect(answer.choices[0].message.content == TEXT, answer)


@case
def chat_completion_streamed_with_usage():
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=16, stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    expect(text, "text")
    expect(chunks[-1].usage.total_tokens > 0 and chunks[-1].choices == [], chunks[-1])
    expect(all(chunk.object == "chat.completion.chunk" for chunk in chunks), "object")


@case
def chat_completion_stream_helper():
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES, max_tokens=16) as stream:
        for _ in stream:
            pass
        expect(stream.get_final_completion().choices[0].message.content, "final")


@case
def chat_completion_async():
    async def run():
        async with AsyncOpenAI(**STRICT) as own:
            answers = await asyncio.gather(*[
                own.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8)
                for _ in range(4)
            ])
            expect(all(answer.choices[0].message.content for answer in answers), answers)
            stream = await own.chat.completions.create(
                model=MODEL, messages=MESSAGES, max_tokens=8, stream=True
            )
            expect([chunk async for chunk in stream], "chunks")

    asyncio.run(run())


@case
def answers_of_every_kind_of_server():
    if not EXACT:
        return "one server"
    for server in itertools.count():
        asked = {"model": MODEL, "messages": MESSAGES, "extra_body": {"like_server": server}}
        answer = client.chat.completions.create(**asked)
        message = answer.choices[0].message
        if message.content == "no such server":
            expect(server > 5, server)
            break
        expect(message.content == "Hello" or message.tool_calls, answer)
        for options in [{}, {"stream_options": {"include_usage": True}}]:
            chunks = list(client.chat.completions.create(**asked, **options, stream=True))
            expect(any(c.choices and c.choices[0].finish_reason for c in chunks), chunks)


@case
def several_choices():
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8, n=2)
    expect([choice.index for choice in answer.choices] == [0, 1], answer)


@case
def tools():
    asked = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=64, tools=[TOOL], tool_choice="auto"
    )
    message = asked.choices[0].message
    if EXACT:
        expect(asked.choices[0].finish_reason == "tool_calls", asked)
    if not message.tool_calls:
        return "served; the model called nothing"
    call = message.tool_calls[0]
    json.loads(call.function.arguments)
    answer = client.chat.completions.create(
        model=MODEL, max_tokens=16, tools=[TOOL],
        messages=[*MESSAGES, message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}],
    )
    expect(answer.choices[0].message.content, answer)


@case
def tools_streamed():
    with client.chat.completions.stream(
        model=MODEL, messages=MESSAGES, max_tokens=64, tools=[{**TOOL, "function": {
            **TOOL["function"], "strict": True,
            "parameters": {**TOOL["function"]["parameters"], "additionalProperties": False}}}],
    ) as stream:
        for _ in stream:
            pass
        calls = stream.get_final_completion().choices[0].message.tool_calls
    if EXACT:
        expect(calls[0].function.parsed_arguments == {"city": "Paris"}, calls)


class Person(BaseModel):
    name: str
    age: int


@case
def structured_output():
    answer = client.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": "Ada, 36. As JSON."}],
        response_format=Person, max_tokens=64,
    )
    parsed = answer.choices[0].message.parsed
    expect(isinstance(parsed, Person), answer)


@case
def completion():
    answer = client.completions.create(model=MODEL, prompt="Once", max_tokens=8)
    expect(answer.object == "text_completion" and answer.choices[0].text, answer)
    # The schema has no null for the finish reason of a completion; the chunks of OpenAI's streams have it.
    pieces = list(lenient.completions.create(model=MODEL, prompt="Once", max_tokens=8, stream=True))
    expect("".join(p.choices[0].text for p in pieces if p.choices), pieces)


@case
def embeddings():
    try:
        client.embeddings.create(model=MODEL, input="one", encoding_format="float")
        # Left to itself the SDK asks for base64 and turns it into numbers, but checks before it does.
        answer = lenient.embeddings.create(model=MODEL, input=["one", "two"])
    except openai.BadRequestError as error:
        expect(not EXACT and error.code == "feature_unavailable", error)
        return "no node offers embeddings"
    expect(len(answer.data) == 2 and isinstance(answer.data[0].embedding[0], float), answer)
    expect(len(answer.data[0].embedding) == len(answer.data[1].embedding), "dimension")


@case
def response():
    answer = client.responses.create(model=MODEL, input="Say hello.", max_output_tokens=16)
    expect(answer.object == "response" and answer.output_text, answer)
    expect(answer.usage.total_tokens > 0, answer.usage)


@case
def response_streamed():
    with client.responses.stream(model=MODEL, input="Say hello.", max_output_tokens=16) as stream:
        kinds = [event.type for event in stream]
        if not EXACT and kinds[-1] == "response.incomplete":
            return LENGTH
        final = stream.get_final_response()
    expect(kinds[0] == "response.created" and "response.output_text.delta" in kinds, kinds)
    expect(final.output_text, final)


@case
def response_with_tools():
    tool = {"type": "function", "name": "weather", "parameters": TOOL["function"]["parameters"]}
    answer = client.responses.create(model=MODEL, input="Weather?", tools=[tool], max_output_tokens=64)
    calls = [item for item in answer.output if item.type == "function_call"]
    if EXACT:
        expect(json.loads(calls[0].arguments) == {"city": "Paris"}, answer)
    if not calls:
        return "served; the model called nothing"
    follow_up = [{"role": "user", "content": "Weather?"}, *answer.output,
                 {"type": "function_call_output", "call_id": calls[0].call_id, "output": "sunny"}]
    expect(client.responses.create(model=MODEL, input=follow_up, tools=[tool]).output_text, "second turn")


@case
def response_with_structure():
    answer = client.responses.parse(
        model=MODEL, input="Ada, 36. As JSON.", text_format=Person, max_output_tokens=64
    )
    expect(isinstance(answer.output_parsed, Person), answer)


@case
def every_role_part_and_option():
    picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
    parts = [{"type": "text", "text": "Say hello."}]
    if EXACT:
        parts.append({"type": "image_url", "image_url": {"url": picture, "detail": "low"}})
    answer = client.chat.completions.create(
        model=MODEL, max_completion_tokens=16, seed=7, stop=["###"], temperature=0.5, top_p=0.9,
        presence_penalty=0.1, frequency_penalty=0.1, logit_bias={"15": -100}, user="somebody",
        metadata={"a": "b"}, extra_body={"of_the_future": {"a": [1, 2]}},
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "Hm?"},
            {"role": "user", "content": "Hello?"},
        ],
    )
    expect(answer.choices[0].message.role == "assistant", answer)


@case
def log_probabilities():
    answer = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=4, logprobs=True, top_logprobs=2
    )
    first = answer.choices[0].logprobs.content[0]
    expect(first.logprob <= 0 and len(first.top_logprobs) == 2, first)


@case
def tools_called_in_parallel():
    second = {**TOOL, "function": {**TOOL["function"], "name": "time"}}
    answer = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=64, tools=[TOOL, second], parallel_tool_calls=True
    )
    calls = answer.choices[0].message.tool_calls
    if EXACT:
        expect([call.function.name for call in calls] == ["weather", "time"], answer)
        expect(len({call.id for call in calls}) == 2, answer)
    if not calls:
        return "served; the model called nothing"


@case
def tool_that_has_to_be_called():
    answer = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=64, tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    calls = answer.choices[0].message.tool_calls
    if EXACT:
        expect(json.loads(calls[0].function.arguments) == {"city": "Paris"}, answer)
    if not calls:
        return "served; the model called nothing"
    expect(calls[0].function.name == "weather", calls)


@case
def answer_straight_from_the_node():
    asked = client.with_options(default_headers={"x-pinaivu-direct": "true"})
    raw = asked.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES, max_tokens=16)
    expect(raw.parse().choices[0].message.content, "text")
    stream = asked.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=16, stream=True)
    expect("".join(c.choices[0].delta.content or "" for c in stream if c.choices), "text streamed")
    if urlsplit(str(raw.http_response.url)).netloc == urlsplit(BASE_URL).netloc:
        expect(not EXACT, "redirected")
        return "served by the gateway; no node has a public address"


@case
def errors_are_the_sdks_own():
    for run, kind, code in [
        (lambda: client.chat.completions.create(model="no-such", messages=MESSAGES),
         openai.NotFoundError, "model_not_found"),
        (lambda: client.chat.completions.create(model=MODEL, messages=[]),
         openai.BadRequestError, "invalid_value"),
        (lambda: client.with_options(api_key="sk-wrong").chat.completions.create(
            model=MODEL, messages=MESSAGES), openai.AuthenticationError, "invalid_api_key"),
        (lambda: client.responses.create(model=MODEL, input="Hi", background=True),
         openai.BadRequestError, "unsupported_parameter"),
    ]:
        try:
            run()
        except kind as error:
            expect(error.code == code, error)
        else:
            raise AssertionError(f"{code} was not raised")


main(f"openai (Python) {openai.__version__}")
