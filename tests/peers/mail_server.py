"""A mail server by aiosmtpd, alone or as a relay: `mail_server.py PORT` tells each mail as a line of JSON, `mail_server.py PORT NEXT` sends it on.
It refuses nothing but the recipient nobody@, and leaves when its standard input ends."""

import base64
import json
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Proxy


class Tell:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "options": envelope.mail_options,
            "data": base64.b64encode(envelope.original_content).decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 2.0.0 told"


port, *following = sys.argv[1:]
handler = Proxy("127.0.0.1", int(following[0])) if following else Tell()
server = Controller(handler, hostname="127.0.0.1", port=int(port), enable_SMTPUTF8=True)
server.start()
print("ready", flush=True)
sys.stdin.read()
server.stop()
