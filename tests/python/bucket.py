"""An S3 server that checks signatures, with one bucket and one user who may use it.

Says where it is and with which key on one line of JSON. Then reads commands, one a line, and answers each
with one line of JSON: ["list"], ["get", NAME], ["put", NAME, BASE64], ["delete", NAME]. Ends with its input.
"""

import base64
import json
import os
import sys

# Requests that need no key: those that make the user below. All later ones are checked.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

BUCKET = "receipts"


def client(service, endpoint, key, secret):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    people = client("iam", endpoint, "nobody", "nothing")
    people.create_user(UserName="coordinator")
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    people.put_user_policy(UserName="coordinator", PolicyName="s3", PolicyDocument=document)
    made = people.create_access_key(UserName="coordinator")["AccessKey"]
    key, secret = made["AccessKeyId"], made["SecretAccessKey"]
    bucket = client("s3", endpoint, key, secret)
    bucket.create_bucket(Bucket=BUCKET)
    say({"endpoint": endpoint, "bucket": BUCKET, "key": key, "secret": secret})
    for line in sys.stdin:
        say(answer(bucket, *json.loads(line)))
    server.stop()


def answer(bucket, command, name=None, content=None):
    if command == "list":
        found = bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [one["Key"] for one in found]
    if command == "get":
        return base64.b64encode(bucket.get_object(Bucket=BUCKET, Key=name)["Body"].read()).decode()
    if command == "put":
        bucket.put_object(Bucket=BUCKET, Key=name, Body=base64.b64decode(content))
        return None
    if command == "delete":
        bucket.delete_object(Bucket=BUCKET, Key=name)
        return None
    raise ValueError(command)


def say(value):
    print(json.dumps(value), flush=True)


main()
