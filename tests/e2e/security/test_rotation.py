"""Keys and certificates that change under load, without a request lost."""

import http.client
import socket
import threading

from tests.e2e.security.guarded import BODY, JSON, Guarded, serial


class Load:
    """Clients that ask without pause: half over connections that stay open, half over a new one for each request."""

    def __init__(self, guarded: Guarded, key: str, clients: int = 6) -> None:
        self._guarded, self.key = guarded, key
        self._stopped = threading.Event()
        self._answered = [0] * clients
        self._told = threading.Condition()
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        return sum(self._answered)

    def rounds(self, number: int) -> None:
        """Until every client has had so many answers more."""
        wanted = [count + number for count in self._answered]
        with self._told:
            done = self._told.wait_for(lambda: self.failed or all(map(int.__ge__, self._answered, wanted)), timeout=60)
        assert done
        assert self.failed == []

    def _run(self, number: int) -> None:
        connection = self._guarded.connect()
        while not self._stopped.is_set():
            headers = {**JSON, "authorization": f"Bearer {self._guarded.secrets[self.key]}"}
            try:
                connection.request("POST", "/many_to_many", BODY, headers)
                answer = connection.getresponse()
                answer.read()
                failure = None if answer.status == 200 else str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
            with self._told:
                self._answered[number] += failure is None
                self.failed += [failure] if failure else []
                self._told.notify_all()
            if number % 2 or failure:
                connection.close()
                connection = self._guarded.connect()
        connection.close()


def test_keys_are_rotated_under_load_and_no_request_fails(guarded: Guarded) -> None:
    guarded.make("load-0", "predict")
    guarded.until(lambda: guarded.ask("GET", "/models", "load-0")[0] == 200)
    with Load(guarded, "load-0") as load:
        for number in range(1, 6):
            old, fresh = f"load-{number - 1}", f"load-{number}"
            guarded.make(fresh, "predict")
            guarded.until(lambda fresh=fresh: guarded.ask("GET", "/models", fresh)[0] == 200)  # type: ignore[misc]
            load.key = fresh
            load.rounds(10)  # and nobody has the old one in hand any more
            guarded.revoke(old)
            guarded.until(lambda old=old: guarded.ask("GET", "/models", old)[0] == 401)  # type: ignore[misc]
    assert load.failed == []
    assert load.answered > 300


def test_certificates_are_rotated_under_load_and_no_request_fails(guarded: Guarded) -> None:
    def shown() -> int:
        with (
            socket.create_connection(guarded.address, timeout=30) as plain,
            guarded.context().wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            return serial(connection.getpeercert(binary_form=True) or b"")

    with Load(guarded, "alice") as load:
        for _ in range(5):
            fresh = guarded.certify()
            guarded.until(lambda fresh=fresh: shown() == fresh)  # type: ignore[misc]
            load.rounds(10)
        guarded.tls.write(certificate=b"not a certificate", key=b"")
        load.rounds(20)
        assert shown() == fresh
    assert load.failed == []
    assert load.answered > 300
