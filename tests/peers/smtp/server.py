"""A mail server for the tests: aiosmtpd on a free port of this machine.

    python server.py [--tls|--starttls CERTIFICATE KEY] [--login USER PASSWORD] [--refuse ADDRESS] [--busy N]

Prints its port on a line of its own, then each mail that it took as a line of JSON. It has no mailbox --refuse (550), and is
busy for the first N mails (451). With --login nothing is taken from whoever has not logged in.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

arguments = argparse.ArgumentParser()
arguments.add_argument("--tls", nargs=2)
arguments.add_argument("--starttls", nargs=2)
arguments.add_argument("--login", nargs=2)
arguments.add_argument("--refuse")
arguments.add_argument("--busy", type=int, default=0)
options = arguments.parse_args()


def context(files):
    if files is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*files)
    return made


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address == options.refuse:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        if options.busy > 0:
            options.busy -= 1
            print(json.dumps({"busy": message["message-id"]}), flush=True)
            return "451 4.3.0 try again"
        taken = {
            "helo": session.host_name,
            "encrypted": server.transport.get_extra_info("ssl_object") is not None,
            "login": session.authenticated,
            "envelope": [envelope.mail_from, *envelope.rcpt_tos],
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": message.get_content(),
            "is_ascii": envelope.content.isascii(),
        }
        print(json.dumps(taken), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    expected = [word.encode() for word in options.login]
    is_right = [data.login, data.password] == expected
    return AuthResult(success=is_right, handled=is_right)  # what is not handled is answered with 535


def session():
    return SMTP(
        Handler(),
        hostname="mail.example",
        tls_context=context(options.starttls),
        require_starttls=options.starttls is not None,
        auth_required=options.login is not None,
        auth_require_tls=options.tls is None,
        authenticator=authenticate if options.login else None,
    )


async def main():
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=context(options.tls))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
