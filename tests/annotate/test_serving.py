"""The socket that the page is served at."""

import socket

from lesslabel.annotating.serving import LOOPBACK, listen


def test_answers_are_sent_at_once() -> None:
    with listen(LOOPBACK, 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
