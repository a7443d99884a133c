# Logs in to a POP3 server by the SASL mechanisms of GNU SASL, over OpenSSL, and
# prints the last answer of each login. Options come as JSON on standard input.
import base64, ctypes, json, socket, sys
from OpenSSL import SSL

gsasl = ctypes.CDLL("libgsasl.so.18")
gsasl.gsasl_strerror_name.restype = ctypes.c_char_p
OK, NEEDS_MORE = 0, 1
AUTHID, PASSWORD, CB_TLS_UNIQUE, CB_TLS_EXPORTER = 1, 3, 18, 25

options = json.load(sys.stdin)


class Client:
    def __init__(self, version):
        self.octets = b""
        self.connection = socket.create_connection((options["host"], options["port"]), 60)
        self.line()
        assert self.command(b"STLS").startswith(b"+OK")
        self.connection.setblocking(True)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        context.load_verify_locations(options["ca"])
        context.set_verify(SSL.VERIFY_PEER)
        secure = SSL.Connection(context, self.connection)
        secure.set_connect_state()
        secure.do_handshake()
        self.connection = secure

    def line(self):
        while b"\r\n" not in self.octets:
            octets = self.connection.recv(4096)
            if not octets:
                raise EOFError
            self.octets += octets
        line, self.octets = self.octets.split(b"\r\n", 1)
        return line

    def command(self, line):
        self.connection.sendall(line + b"\r\n")
        return self.line()

    def login(self, mechanism, password, bindings):
        context, session = ctypes.c_void_p(), ctypes.c_void_p()
        check(gsasl.gsasl_init(ctypes.byref(context)))
        check(gsasl.gsasl_client_start(context, mechanism.encode(), ctypes.byref(session)))
        for name, value in {AUTHID: options["user"].encode(), PASSWORD: password.encode(), **bindings}.items():
            gsasl.gsasl_property_set(session, name, value)
        answer = self.command(b"AUTH " + mechanism.encode())
        while answer.startswith(b"+ "):
            output, result = ctypes.c_char_p(), NEEDS_MORE
            result = gsasl.gsasl_step64(session, answer[2:], ctypes.byref(output))
            if result not in (OK, NEEDS_MORE):
                self.command(b"*")
                return gsasl.gsasl_strerror_name(result).decode()
            answer = self.command(output.value or b"")
        return answer.decode()


def check(result):
    assert result == OK, gsasl.gsasl_strerror_name(result)


def binding(client, kind):
    if kind == "tls-exporter":
        octets = client.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, None)
        return {CB_TLS_EXPORTER: base64.b64encode(octets)}
    return {CB_TLS_UNIQUE: base64.b64encode(client.connection.get_finished())}


answers = []
for way in options["ways"]:
    client = Client({"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}[way["tls"]])
    bindings = {}
    if way["binding"]:
        bindings = binding(Client(SSL.TLS1_3_VERSION) if way["other"] else client, way["binding"])
    answers.append(client.login(way["mechanism"], way["password"], bindings))
json.dump(answers, sys.stdout)
