"""Retrieves maildrops with Python's poplib, one after the other.

Reads {"host", "port", "user", "lines"} as JSON, one a line, and prints for each
one line of JSON: what LIST says, what RETR counts, and the messages and their
tops of so many lines, in base64, with a CRLF after each line that poplib returns.
"""

import base64
import json
import poplib
import sys

# A line of more than 2,048 octets is an error of poplib, not of the server.
poplib._MAXLINE = 1 << 30


def text(lines):
    return base64.b64encode(b"".join(line + b"\r\n" for line in lines)).decode()


for request in sys.stdin:
    o = json.loads(request)
    pop = poplib.POP3(o["host"], o["port"], timeout=30)
    pop.user(o["user"])
    pop.pass_("any")
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    messages, counted, tops = [], [], []
    for i in range(len(sizes)):
        _, lines, octets = pop.retr(i + 1)
        messages.append(text(lines))
        counted.append(octets)
        tops.append(text(pop.top(i + 1, o["lines"])[1]))
    assert pop.quit().startswith(b"+OK")
    print(json.dumps({"sizes": sizes, "counted": counted, "messages": messages, "tops": tops}), flush=True)
