"""Signs tokens with PyJWT: an array of {algorithm, key, claims, headers} on standard input, an array of tokens on standard output."""

import json
import sys

import jwt

jobs = json.load(sys.stdin)
tokens = [jwt.encode(job["claims"], job["key"], algorithm=job["algorithm"], headers=job.get("headers")) for job in jobs]
json.dump(tokens, sys.stdout)
