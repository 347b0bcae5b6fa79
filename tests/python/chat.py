"""What a developer does with the official SDK: nothing here knows of Pinaivu.

Prints one JSON document with everything the SDK gave, for the test that started this.
"""

import json
import os

from openai import OpenAI

client = OpenAI()  # base_url and api_key come from the environment
model = os.environ["MODEL"]
messages = [{"role": "user", "content": "Name three colours."}]

unary_request = {"model": model, "messages": messages, "max_tokens": 24, "temperature": 0.0, "seed": 7}
raw = client.chat.completions.with_raw_response.create(**unary_request)
unary = raw.parse()

stream_request = {**unary_request, "stream": True, "stream_options": {"include_usage": True}}
raw_stream = client.chat.completions.with_raw_response.create(**stream_request)
chunks = list(raw_stream.parse())

plain_request = {**unary_request, "stream": True}
raw_plain = client.chat.completions.with_raw_response.create(**plain_request)
plain_chunks = list(raw_plain.parse())

print(
    json.dumps(
        {
            "models": [entry.id for entry in client.models.list()],
            "unary": {
                "request": unary_request,
                "request_id": unary.request_id,
                "header": raw.headers["x-request-id"],
                "salt": raw.headers["x-pinaivu-salt"],
                "answer": unary.model_dump(exclude_unset=True),
            },
            "streamed": {
                "request": stream_request,
                "request_id": raw_stream.headers["x-request-id"],
                "salt": raw_stream.headers["x-pinaivu-salt"],
                "answer": [chunk.model_dump(exclude_unset=True) for chunk in chunks],
            },
            "plain": {
                "request": plain_request,
                "request_id": raw_plain.headers["x-request-id"],
                "salt": raw_plain.headers["x-pinaivu-salt"],
                "answer": [chunk.model_dump(exclude_unset=True) for chunk in plain_chunks],
            },
        }
    )
)
