#!/usr/bin/env python3
"""Serves a XenAPI whose behaviour others wrote: `nova/virt/xenapi/fake.py` of an unpacked source package of Nova 21.

    reference_server.py FOLDER PORT json|xml

Needs os-xenapi, oslo.log, oslo.serialization, oslo.utils and six. Nothing of that package is in this repository. It
knows no life cycle worth the name; it shows that the driver's client understands records and errors that we did not
make up. XML-RPC on /, and with `json` JSON-RPC on /jsonrpc.
"""
import http.server
import importlib.util
import json
import sys
import threading
import types
import xmlrpc.client


def load(folder):
    """The module, with the two of Nova that it asks for stood in."""
    error = type("NovaException", (Exception,), {})
    parts = {
        "nova": types.ModuleType("nova"), "nova.exception": types.ModuleType("nova.exception"),
        "nova.i18n": types.ModuleType("nova.i18n")}
    parts["nova.exception"].NovaException = error
    parts["nova.i18n"]._ = str
    parts["nova"].exception = parts["nova.exception"]
    sys.modules.update(parts)
    spec = importlib.util.spec_from_file_location("reference", folder + "/nova/virt/xenapi/fake.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.reset()
    return module


def wire(value):
    """Values in the types that XenAPI sends: whole numbers as texts, nothing as an empty text."""
    if isinstance(value, dict):
        return {str(key): wire(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [wire(part) for part in value]
    if isinstance(value, (bool, float)):
        return value
    return "" if value is None else str(value)


class Reference:
    def __init__(self, module):
        self.module, self.lock = module, threading.Lock()

    def call(self, method, args):
        failure = self.module.Failure
        with self.lock:
            try:
                return True, wire(self.carry_out(method, list(args)))
            except failure as refusal:
                return False, [str(part) for part in refusal.details]
            except NotImplementedError:
                return False, ["MESSAGE_METHOD_UNKNOWN", method]
            except KeyError as missing:
                return False, ["HANDLE_INVALID", method.split(".")[0], str(missing)]
            except Exception as mistake:  # what a real server calls an internal error
                # Some of its refusals are of another class than the one it names.
                details = getattr(mistake, "details", None)
                return False, [str(part) for part in details] if details else ["INTERNAL_ERROR", repr(mistake)]

    def carry_out(self, method, args):
        session = self.module.SessionBase("http://reference")
        if method == "session.login_with_password":
            if tuple(args[:2]) != ("root", "secret"):
                raise self.module.Failure(["SESSION_AUTHENTICATION_FAILED", args[0], "Authentication failure"])
            session._login(method, args)
            return session._session
        sessions = self.module._db_content["session"]
        if not args or args[0] not in sessions:
            raise self.module.Failure(["SESSION_INVALID", args[0] if args else ""])
        if method == "session.logout":
            del sessions[args[0]]
            return ""
        session._session = args[0]
        session.host_ref = next(iter(self.module._db_content["host"]))
        body = getattr(session, method, None)
        if body is None:
            raise NotImplementedError(method)
        return body(*args)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    reference = None
    speaks_json = True

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/jsonrpc") and not self.speaks_json:
            return self.send_error(404)
        if self.path.startswith("/jsonrpc"):
            call = json.loads(body)
            good, value = self.reference.call(call["method"], call["params"])
            answer = {"jsonrpc": "2.0", "id": call.get("id")}
            if good:
                answer["result"] = value
            else:
                answer["error"] = {"code": 1, "message": value[0], "data": value[1:]}
            kind, text = "application/json", json.dumps(answer)
        else:
            args, method = xmlrpc.client.loads(body)
            good, value = self.reference.call(method, args)
            key = "Value" if good else "ErrorDescription"
            envelope = {"Status": "Success" if good else "Failure", key: value}
            kind, text = "text/xml", xmlrpc.client.dumps((envelope,), methodresponse=True)
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    Handler.reference = Reference(load(sys.argv[1]))
    Handler.speaks_json = sys.argv[3] == "json"
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
