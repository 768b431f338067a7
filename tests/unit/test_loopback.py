import socket

from sarcopenia.loopback import LOOPBACK, answers, can_bind


def test_a_port_that_somebody_has_is_told_from_a_free_one():
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        assert answers(port)
        assert not can_bind(port)
    assert not answers(port)
    assert can_bind(port)
