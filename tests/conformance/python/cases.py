"""What the files of cases share: where the gateway is, and how outcomes are told.

Environment: BASE_URL, API_KEY, MODEL; EXACT=1 when the backend is scripted and its words are known; OUT for a
JSON file of the client's name and its cases' outcomes. Each case prints a line; one that fails makes the exit
code 1."""

import json
import os
import sys
import traceback

import openai

BASE_URL = os.environ["BASE_URL"]
API_KEY = os.environ["API_KEY"]
MODEL = os.environ["MODEL"]
EXACT = os.environ.get("EXACT") == "1"
TEXT = "Hello from the node"
MESSAGES = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
LENGTH = "served; the model ran into the limit"
CASES = []


def case(run):
    CASES.append(run)
    return run


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def main(client):
    outcomes = []
    for run in CASES:
        try:
            outcome = run() or "passes"
        except openai.LengthFinishReasonError:
            # What the SDK says where the model does not end; a scripted one does.
            outcome = "FAILS: LengthFinishReasonError" if EXACT else LENGTH
        except Exception as error:  # a table row, whatever it is
            traceback.print_exc()
            outcome = f"FAILS: {type(error).__name__}"
        name = run.__name__.replace("_", " ")
        outcomes.append([name, outcome])
        print(f"{outcome:45} {name}", flush=True)
    if out := os.environ.get("OUT"):
        with open(out, "w") as file:
            json.dump({"client": client, "cases": outcomes}, file)
    sys.exit(any(outcome.startswith("FAILS") for _, outcome in outcomes))
