"""A session over Python's `websockets`, and what the server says when it closes a socket.

Run by `scripts/test interop-shell`; `ENCKE_BIN` names the binary.
"""

import json
import os
import re
import subprocess
import unittest
import urllib.request

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE = 10  # seconds for one answer


class Encke:
    """One Encke in development mode on free ports, as the banner names them."""

    def __init__(self):
        ports = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
        command = [os.environ["ENCKE_BIN"], *ports]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            found = re.match(r"  public +(http://\S+)/$", line)
            if found:
                self.http = found[1]
                self.ws = self.http.replace("http", "ws", 1)
                return
        raise RuntimeError("Encke ended before it said where it listens")

    def publish(self, channel, data):
        request = urllib.request.Request(
            f"{self.http}/channels{channel}", json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def stop(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


class Conversation:
    """Bayeux over one raw socket."""

    def __init__(self, socket):
        self.socket = socket
        self.heard = []

    def ask(self, message):
        """Sends one message; gives the reply that carries its id."""
        self.socket.send(json.dumps([message]))
        return self.hear(lambda heard: heard.get("id") == message["id"] and "successful" in heard)

    def hear(self, wanted):
        """The next message that is wanted; the others are kept in `heard`."""
        while True:
            for message in json.loads(self.socket.recv(timeout=PATIENCE)):
                self.heard.append(message)
                if wanted(message):
                    return message

    def session(self):
        types = ["websocket"]
        greeting = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": types, "id": "h"}
        client_id = self.ask(greeting)["clientId"]
        first = {"channel": "/meta/connect", "clientId": client_id, "connectionType": "websocket", "id": "c"}
        self.ask(first | {"advice": {"timeout": 0}})
        return client_id

    def closing(self):
        """How the server closes: its code. Fails when it does not."""
        while True:
            try:
                self.socket.recv(timeout=PATIENCE)
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None


class WebSocketStories(unittest.TestCase):
    def setUp(self):
        self.encke = Encke()
        self.addCleanup(self.encke.stop)

    def converse(self):
        patience = {"open_timeout": PATIENCE, "close_timeout": PATIENCE}
        return Conversation(self.enterContext(connect(f"{self.encke.ws}/bayeux", max_size=None, **patience)))

    def test_a_session_subscribes_publishes_hears_and_leaves(self):
        talk = self.converse()
        me = talk.session()
        subscribed = talk.ask({"channel": "/meta/subscribe", "clientId": me, "subscription": "/py/*", "id": "s"})
        self.assertTrue(subscribed["successful"])
        self.assertEqual(subscribed["subscription"], "/py/*")
        published = talk.ask({"channel": "/py/a", "clientId": me, "data": {"n": 1}, "id": "p"})
        self.assertTrue(published["successful"])
        self.assertEqual(self.encke.publish("/py/b", {"n": 2})["sessions"], 1)
        if not any(message.get("data") == {"n": 2} for message in talk.heard):
            talk.hear(lambda message: message.get("data") == {"n": 2})
        heard = [message["data"] for message in talk.heard if "data" in message]
        self.assertEqual(heard, [{"n": 1}, {"n": 2}])
        self.assertTrue(talk.ask({"channel": "/meta/disconnect", "clientId": me, "id": "d"})["successful"])

    def test_a_ping_is_answered_with_its_own_bytes(self):
        talk = self.converse()
        self.assertTrue(talk.socket.ping(b"are you there?").wait(PATIENCE), "no pong")
        self.assertTrue(talk.session())

    def test_a_message_in_fragments_is_one_message(self):
        talk = self.converse()
        me = talk.session()
        whole = json.dumps([{"channel": "/py/a", "clientId": me, "data": "é" * 1000, "id": "f"}], ensure_ascii=False)
        talk.socket.send(iter(whole[start : start + 7] for start in range(0, len(whole), 7)))
        reply = talk.hear(lambda message: message.get("id") == "f")
        self.assertTrue(reply["successful"])

    def test_a_second_socket_adopts_the_session_by_its_client_id(self):
        first = self.converse()
        me = first.session()
        first.ask({"channel": "/meta/subscribe", "clientId": me, "subscription": "/py", "id": "s"})
        second = self.converse()
        taken = {"channel": "/meta/connect", "clientId": me, "connectionType": "websocket", "id": "take"}
        self.assertTrue(second.ask(taken | {"advice": {"timeout": 0}})["successful"])
        self.encke.publish("/py", "over here")
        delivery = second.hear(lambda message: message.get("data") == "over here")
        self.assertEqual(delivery["channel"], "/py")
        self.assertFalse([m for m in first.heard if "data" in m])

    def test_a_binary_frame_closes_with_1003(self):
        talk = self.converse()
        talk.session()
        talk.socket.send(b"\x00\x01")
        self.assertEqual(talk.closing(), 1003)

    def test_text_that_is_not_utf_8_closes_with_1007(self):
        talk = self.converse()
        talk.session()
        talk.socket.send(b'[{"channel":"/a","data":"\xff"}]', text=True)
        self.assertEqual(talk.closing(), 1007)

    def test_a_message_too_large_closes_with_1009(self):
        talk = self.converse()
        me = talk.session()
        message = {"channel": "/py", "clientId": me, "data": "x" * (1024 * 1024), "id": "big"}
        try:
            talk.socket.send(json.dumps([message]))
        except ConnectionClosed:
            pass  # the server need not wait for the end of it
        self.assertEqual(talk.closing(), 1009)

    def test_a_message_too_large_in_small_fragments_closes_with_1009(self):
        talk = self.converse()
        talk.session()
        try:
            talk.socket.send(iter(["["] + [" " * 1024] * 1024 + ["]"]))
        except ConnectionClosed:
            pass
        self.assertEqual(talk.closing(), 1009)

    def test_the_bad_socket_of_one_disturbs_no_other(self):
        listener = self.converse()
        me = listener.session()
        listener.ask({"channel": "/meta/subscribe", "clientId": me, "subscription": "/py", "id": "s"})
        bad = self.converse()
        bad.session()
        bad.socket.send(b"\xff")
        bad.closing()
        self.encke.publish("/py", "still here")
        listener.hear(lambda message: message.get("data") == "still here")


if __name__ == "__main__":
    unittest.main()
