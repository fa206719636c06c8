"""Verifies messages with the PyPI package `standardwebhooks`: a line of JSON in ({secret, headers, body}), a line out: null, or what is wrong."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    request = json.loads(line)
    try:
        Webhook(request["secret"]).verify(request["body"], request["headers"])
        problem = None
    except WebhookVerificationError as error:
        problem = str(error)
    print(json.dumps(problem), flush=True)
