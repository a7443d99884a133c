"""Sends every command of POP3 with Python's poplib and prints the results.

Reads {"way", "host", "port", "ca", "user", "password", "messages"} as JSON on
standard input and prints JSON. Ends with a traceback when the server does not
do as RFC 1939 has it.
"""

import base64
import json
import poplib
import ssl
import sys

o = json.load(sys.stdin)
context = ssl.create_default_context(cafile=o["ca"])


def connect():
    if o["way"] == "POP3S":
        pop = poplib.POP3_SSL(o["host"], o["port"], timeout=30, context=context)
    else:
        pop = poplib.POP3(o["host"], o["port"], timeout=30)
    assert pop.getwelcome().startswith(b"+OK"), pop.getwelcome()
    if o["way"] == "STLS":
        assert "STLS" in pop.capa(), pop.capa()
        assert pop.stls(context).startswith(b"+OK")
        assert "STLS" not in pop.capa(), pop.capa()
        try:
            pop.stls(context)
            raise AssertionError("STLS inside of TLS")
        except poplib.error_proto:
            pass
    return pop


def login():
    pop = connect()
    assert pop.user(o["user"]).startswith(b"+OK")
    assert pop.pass_(o["password"]).startswith(b"+OK")
    return pop


def refused(command, *args):
    try:
        answer = command(*args)
    except poplib.error_proto as e:
        # What the server said is octets; what poplib thinks of it is text.
        assert isinstance(e.args[0], bytes) and e.args[0].startswith(b"-ERR"), e
        # Too many bad commands in a row would end the session.
        command.__self__.capa()
        return
    raise AssertionError("%s%r: %r" % (command.__name__, args, answer))


# AUTHORIZATION
pop = connect()
before = pop.capa()
for name in ("TOP", "UIDL", "USER", "SASL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"):
    assert name in before, (name, before)
assert "PLAIN" in before["SASL"], before
for command in (pop.stat, pop.list, pop.uidl, pop.noop, pop.rset):
    refused(command)
refused(pop.retr, 1)
refused(pop.rpop, o["user"])
try:
    pop.apop(o["user"], o["password"])
    apop = True
except poplib.error_proto:  # the greeting has no time stamp
    apop = False
    refused(pop.user, "")
    pop.user(o["user"])
    refused(pop.pass_, "not the password")
    pop.user(o["user"])
    pop.pass_(o["password"])

# TRANSACTION
after = pop.capa()
for name in ("TOP", "UIDL"):
    assert name in after, (name, after)
refused(pop.user, o["user"])
n, size = pop.stat()
assert n == o["messages"], (n, o["messages"])
answer, listing, _ = pop.list()
assert answer.startswith(b"+OK")
sizes = []
for i, line in enumerate(listing):
    number, octets = line.decode().split(" ")
    assert int(number) == i + 1, line
    sizes.append(int(octets))
    assert pop.list(i + 1).split()[:3] == [b"+OK", number.encode(), octets.encode()]
assert len(sizes) == n and sum(sizes) == size, (n, size, sizes)
uidls = []
for i, line in enumerate(pop.uidl()[1]):
    number, uidl = line.decode().split(" ")
    assert int(number) == i + 1, line
    assert 1 <= len(uidl) <= 70 and all("!" <= c <= "~" for c in uidl), uidl
    uidls.append(uidl)
    assert pop.uidl(i + 1) == ("+OK %d %s" % (i + 1, uidl)).encode(), pop.uidl(i + 1)
assert len(set(uidls)) == n, uidls
for number in (0, n + 1, "x", "-1", "99999999999999999999"):
    refused(pop.list, number)
    refused(pop.uidl, number)
    refused(pop.retr, number)
    refused(pop.dele, number)
    refused(pop.top, number, 0)
assert pop.noop().startswith(b"+OK")

messages, tops = [], []
for i in range(n):
    answer, lines, octets = pop.retr(i + 1)
    # poplib counts what went over the wire, less one for each doubled dot.
    assert octets == sizes[i], (i + 1, octets, sizes[i])
    text = b"".join(line + b"\r\n" for line in lines)
    assert len(text) == sizes[i], (i + 1, len(text), sizes[i])
    messages.append(base64.b64encode(text).decode())
    top = [b"".join(line + b"\r\n" for line in pop.top(i + 1, lines)[1]) for lines in (0, 2)]
    tops.append([base64.b64encode(text).decode() for text in top])

# DELE, and RSET takes it back.
pop.dele(1)
refused(pop.dele, 1)
refused(pop.retr, 1)
refused(pop.top, 1, 0)
refused(pop.list, 1)
refused(pop.uidl, 1)
assert pop.stat() == (n - 1, size - sizes[0]), pop.stat()
assert len(pop.list()[1]) == n - 1 and len(pop.uidl()[1]) == n - 1
assert pop.rset().startswith(b"+OK")
assert pop.stat() == (n, size)
assert pop.quit().startswith(b"+OK")

# A connection that goes without QUIT deletes nothing.
pop = login()
pop.dele(1)
pop.close()
pop = login()
assert pop.stat() == (n, size)

# UPDATE
pop.dele(1)
pop.dele(n)
assert pop.quit().startswith(b"+OK")
pop = login()
assert [line.decode().split(" ")[1] for line in pop.uidl()[1]] == uidls[1:-1]
pop.quit()

json.dump({"messages": messages, "tops": tops, "uidls": uidls, "apop": apop}, sys.stdout)
