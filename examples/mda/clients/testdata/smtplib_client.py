"""Sends messages with Python's smtplib.

Reads {"way", "server", "ca", "from", "to", "messages"} as JSON on standard
input; messages are in base64. Ends with a traceback when the server does not
do as RFC 5321 or RFC 2033 has it.
"""

import base64
import json
import smtplib
import ssl
import sys

o = json.load(sys.stdin)
protocol, _, secured = o["way"].partition("+")
host, _, port = o["server"].rpartition(":")
if o["server"].startswith("/"):
    client = smtplib.LMTP(o["server"])
elif protocol == "LMTP":
    client = smtplib.LMTP(host, int(port))
else:
    client = smtplib.SMTP(host, int(port), timeout=30)

with client:
    if secured:
        code, text = client.starttls(context=ssl.create_default_context(cafile=o["ca"]))
        assert code == 220, (code, text)
        client.ehlo()
        assert not client.has_extn("starttls"), client.esmtp_features

    unknown = "nobody@corpus.example"
    for message in o["messages"]:
        options = ["BODY=8BITMIME", "SMTPUTF8"]
        refused = client.sendmail(o["from"], [unknown, o["to"]], base64.b64decode(message), options)
        assert list(refused) == [unknown], refused
        code, text = refused[unknown]
        assert code == 550 and text.startswith(b"5.1.1 "), refused

    try:
        client.sendmail(o["from"], [unknown], "")
        raise AssertionError("nobody got a message")
    except smtplib.SMTPRecipientsRefused:
        pass
    assert client.quit()[0] == 221
