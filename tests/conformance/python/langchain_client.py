"""LangChain's `langchain-openai` against a running gateway."""

import asyncio
from importlib.metadata import version

import httpx
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from cases import API_KEY, BASE_URL, EXACT, MODEL, TEXT, case, expect, main


def chat(**options):
    # A client of its own: the one LangChain keeps belongs to the event loop that used it first.
    options = {
        "max_tokens": 64,
        "max_retries": 0,
        "http_async_client": httpx.AsyncClient(),
        **options,
    }
    return ChatOpenAI(model=MODEL, base_url=BASE_URL, api_key=API_KEY, **options)


MESSAGES = [SystemMessage("Be brief."), HumanMessage("Say hello.")]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@case
def invoke():
    answer = chat().invoke(MESSAGES)
    expect(answer.content and answer.usage_metadata["output_tokens"] > 0, answer)
    if EXACT:
        expect(answer.content == TEXT, answer)


@case
def invoke_asynchronously_and_in_a_batch():
    async def run():
        return await chat().abatch([MESSAGES] * 3)

    answers = asyncio.run(run())
    expect(all(answer.content for answer in answers), answers)
    expect(chat().batch([MESSAGES] * 2)[1].content, "batch")


@case
def stream_with_usage():
    pieces = list(chat(stream_usage=True).stream(MESSAGES))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    expect(whole.content and whole.usage_metadata["total_tokens"] > 0, whole)
    if EXACT:
        expect(whole.content == TEXT, whole)


@case
def stream_asynchronously():
    async def run():
        return [piece async for piece in chat().astream(MESSAGES)]

    expect("".join(piece.content for piece in asyncio.run(run())), "text")


@case
def tool_called_and_answered():
    model = chat().bind_tools([weather])
    asked = model.invoke(MESSAGES)
    if EXACT:
        expect(asked.tool_calls[0]["args"] == {"city": "Paris"}, asked)
    if not asked.tool_calls:
        return "served; the model called nothing"
    call = asked.tool_calls[0]
    result = ToolMessage(weather.invoke(call["args"]) if EXACT else "sunny", tool_call_id=call["id"])
    expect(model.invoke([*MESSAGES, asked, result]) is not None, "second turn")


@case
def tool_call_streamed():
    whole = None
    for piece in chat().bind_tools([weather]).stream(MESSAGES):
        whole = piece if whole is None else whole + piece
    if EXACT:
        expect(whole.tool_calls[0]["args"] == {"city": "Paris"}, whole)


@case
def structured_output():
    for method in ["json_schema", "function_calling"] if EXACT else ["json_schema"]:
        person = chat().with_structured_output(Person, method=method).invoke("Ada, 36.")
        expect(isinstance(person, Person), (method, person))


@case
def responses_api():
    model = chat(use_responses_api=True)
    expect(model.invoke("Say hello.").text, "whole")
    expect("".join(piece.text for piece in model.stream("Say hello.")), "streamed")


@case
def completion():
    model = OpenAI(model=MODEL, base_url=BASE_URL, api_key=API_KEY, max_tokens=8, max_retries=0)
    expect(model.invoke("Once"), "text")


@case
def embeddings():
    # Without this LangChain sends token numbers of OpenAI's own tokenizer instead of text.
    model = OpenAIEmbeddings(
        model=MODEL, base_url=BASE_URL, api_key=API_KEY, check_embedding_ctx_length=False, max_retries=0
    )
    try:
        vectors = model.embed_documents(["one", "two"])
    except Exception as error:
        expect(not EXACT and "feature_unavailable" in str(error), error)
        return "no node offers embeddings"
    expect(len(vectors) == 2 and isinstance(vectors[0][0], float), vectors)


main(f"langchain-openai {version('langchain-openai')}")
