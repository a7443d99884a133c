"""Reads a mailbox with Twisted's POP3 client, deletes the first message, and
prints what it has read.

Reads {"way", "host", "port", "ca", "user", "password"} as JSON on standard
input and prints JSON. Ends with a traceback when the server does not do as the
client expects.
"""

import base64
import json
import sys

from twisted.internet import defer, endpoints, reactor, ssl, task
from twisted.mail.pop3 import AdvancedPOP3Client

o = json.load(sys.stdin)
with open(o["ca"]) as ca:
    trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(ca.read())])
tls = ssl.optionsForClientTLS(o["host"], trustRoot=trust)


class Client(AdvancedPOP3Client):
    timeout = 30

    def __init__(self):
        self.greeted = defer.Deferred()

    def serverGreeting(self, greeting):
        AdvancedPOP3Client.serverGreeting(self, greeting)
        self.greeted.callback(greeting)


async def fetch(reactor):
    endpoint = endpoints.TCP4ClientEndpoint(reactor, o["host"], o["port"], timeout=30)
    if o["way"] == "POP3S":
        endpoint = endpoints.wrapClientTLS(tls, endpoint)
    pop = await endpoints.connectProtocol(endpoint, Client())
    await pop.greeted
    if o["way"] == "STLS":
        await pop.startTLS(tls)
    await pop.login(o["user"].encode(), o["password"].encode())
    uidls = [uidl.decode() for uidl in await pop.listUID()]
    sizes = await pop.listSize()
    messages = []
    for i, size in enumerate(sizes):
        text = b"".join(line + b"\r\n" for line in await pop.retrieve(i))
        assert len(text) == size, (i + 1, len(text), size)
        messages.append(base64.b64encode(text).decode())
    await pop.delete(0)
    await pop.quit()
    json.dump({"messages": messages, "uidls": uidls}, sys.stdout)


task.react(lambda reactor: defer.ensureDeferred(fetch(reactor)))
