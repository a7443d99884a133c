# Logs in to a POP3 server by the SASL mechanisms of GNU SASL or of Cyrus SASL,
# over OpenSSL, and prints the last answer of each login. Options come as JSON on
# standard input.
import base64, ctypes, json, socket, sys
from OpenSSL import SSL

options = json.load(sys.stdin)


class GNU:
    OK, NEEDS_MORE = 0, 1
    AUTHID, PASSWORD = 1, 3
    BINDINGS = {"tls-unique": 18, "tls-exporter": 25}
    library = None

    def __init__(self, mechanism, password, binding):
        if not GNU.library:
            GNU.library = ctypes.CDLL("libgsasl.so.18")
            GNU.library.gsasl_strerror_name.restype = ctypes.c_char_p
        context, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.library.gsasl_init(ctypes.byref(context)))
        self.check(self.library.gsasl_client_start(context, mechanism.encode(), ctypes.byref(self.session)))
        properties = {self.AUTHID: options["user"].encode(), self.PASSWORD: password.encode()}
        if binding:
            properties[self.BINDINGS[binding[0]]] = base64.b64encode(binding[1])
        for name, value in properties.items():
            self.library.gsasl_property_set(self.session, name, value)

    def step(self, challenge):
        output = ctypes.c_char_p()
        result = self.library.gsasl_step64(self.session, base64.b64encode(challenge), ctypes.byref(output))
        self.check(result, self.NEEDS_MORE)
        return base64.b64decode(output.value or b"")

    def check(self, result, *more):
        if result not in (self.OK, *more):
            raise Refused(self.library.gsasl_strerror_name(result).decode())


class Cyrus:
    OK, CONTINUE, INTERACT = 0, 1, 2
    USER, AUTHNAME, PASS = 0x4001, 0x4002, 0x4004
    CHANNEL_BINDING = 21
    library = None

    class Callback(ctypes.Structure):
        _fields_ = [("id", ctypes.c_ulong), ("proc", ctypes.c_void_p), ("context", ctypes.c_void_p)]

    class Interact(ctypes.Structure):
        _fields_ = [("id", ctypes.c_ulong), ("challenge", ctypes.c_char_p), ("prompt", ctypes.c_char_p),
                    ("default", ctypes.c_char_p), ("result", ctypes.c_char_p), ("length", ctypes.c_uint)]

    class Binding(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char_p), ("critical", ctypes.c_int), ("length", ctypes.c_ulong), ("data", ctypes.c_char_p)]

    def __init__(self, mechanism, password, binding):
        if not Cyrus.library:
            Cyrus.library = ctypes.CDLL("libsasl2.so.2")
            Cyrus.library.sasl_errstring.restype = ctypes.c_char_p
            self.check(self.library.sasl_client_init(None))
        self.mechanism, self.started = mechanism.encode(), False
        self.secrets = {self.USER: b"", self.AUTHNAME: options["user"].encode(), self.PASS: password.encode()}
        self.callbacks = (self.Callback * 4)(*((name, None, None) for name in self.secrets), (0, None, None))
        self.connection = ctypes.c_void_p()
        self.check(self.library.sasl_client_new(b"pop", options["host"].encode(), None, None, self.callbacks, 0, ctypes.byref(self.connection)))
        if binding:
            self.binding = self.Binding(binding[0].encode(), 1, len(binding[1]), binding[1])
            self.check(self.library.sasl_setprop(self.connection, self.CHANNEL_BINDING, ctypes.byref(self.binding)))

    def step(self, challenge):
        prompts, output, length = ctypes.POINTER(self.Interact)(), ctypes.c_void_p(), ctypes.c_uint()
        results = ctypes.byref(prompts), ctypes.byref(output), ctypes.byref(length)
        while True:
            if self.started:
                result = self.library.sasl_client_step(self.connection, challenge, len(challenge), *results)
            else:
                result = self.library.sasl_client_start(self.connection, self.mechanism, *results, None)
            if result != self.INTERACT:
                break
            for prompt in prompts:
                if prompt.id == 0:
                    break
                prompt.result, prompt.length = self.secrets[prompt.id], len(self.secrets[prompt.id])
        self.check(result, self.CONTINUE)
        first, self.started = not self.started, True
        if first and not output.value and challenge:  # the server begins
            return self.step(challenge)
        return ctypes.string_at(output, length.value) if output.value else b""

    def check(self, result, *more):
        if result not in (self.OK, *more):
            raise Refused(self.library.sasl_errstring(result, None, None).decode())


class Refused(Exception):
    pass


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

    def login(self, mechanism, sasl):
        answer = self.command(b"AUTH " + mechanism.encode())
        try:
            while answer.startswith(b"+ "):
                answer = self.command(base64.b64encode(sasl.step(base64.b64decode(answer[2:]))))
        except Refused as refused:
            self.command(b"*")
            return str(refused)
        return answer.decode()


def binding(client, kind):
    if kind == "tls-exporter":
        return kind, client.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, None)
    return kind, client.connection.get_finished()


answers = []
for way in options["ways"]:
    client, bound = Client({"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}[way["tls"]]), None
    if way["binding"]:
        bound = binding(Client(SSL.TLS1_3_VERSION) if way["other"] else client, way["binding"])
    library = {"GNU": GNU, "Cyrus": Cyrus}[options["library"]]
    answers.append(client.login(way["mechanism"], library(way["mechanism"], way["password"], bound)))
json.dump(answers, sys.stdout)
