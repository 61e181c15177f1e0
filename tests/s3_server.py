"""moto's S3 server on 127.0.0.1, and a client by another author to look into it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "whose secret this is",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True)
class Request:
    method: str
    key: str
    first: int = 0  # of the range that is asked for
    length: int | None = None


@dataclass
class Store:
    """A running server.

    requests: those that it has received. fault: is called with every request before it is
    answered, and may raise, which closes the connection.
    """

    url: str = ""
    client: Any = None
    requests: list[Request] = field(default_factory=list)
    fault: Callable[[Request], None] | None = None

    def put(self, key: str, data: bytes, bucket: str = "bucket") -> str:
        self.client.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket="bucket", Key=key)["Body"].read()
        return data

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket="bucket").get("Contents", [])
        return sorted(each["Key"] for each in listed)

    def clear(self) -> None:
        self.fault = None
        if keys := self.keys():
            self.client.delete_objects(
                Bucket="bucket", Delete={"Objects": [{"Key": key} for key in keys]}
            )
        self.requests.clear()

    def asked(self, key: str) -> int:
        """Bytes of an object that were asked for."""
        gets = [each for each in self.requests if each.method == "GET" and each.key == key]
        assert all(each.length is not None for each in gets), "a request without a range"
        return sum(each.length or 0 for each in gets)

    def watched(self, application: Wsgi) -> Wsgi:
        def watch(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            bounds = re.fullmatch(r"bytes=(\d+)-(\d+)", environ.get("HTTP_RANGE", ""))
            first, last = (int(bounds[1]), int(bounds[2])) if bounds else (0, None)
            key = environ["PATH_INFO"].removeprefix("/bucket/")
            length = None if last is None else last + 1 - first
            request = Request(environ["REQUEST_METHOD"], key, first, length)
            self.requests.append(request)
            if self.fault:
                self.fault(request)
            return application(environ, start_response)

        return watch


@contextmanager
def s3_server() -> Iterator[Store]:
    """A server with one bucket."""
    import boto3
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):
        def log_request(self, *_: object) -> None: ...

        def log(self, *_: object) -> None: ...

        def connection_dropped(self, *_: object) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    store = Store()
    application = store.watched(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    store.url = f"http://127.0.0.1:{server.port}"
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    store.client = boto3.client(
        "s3",
        endpoint_url=store.url,
        region_name="us-east-1",
        **{key.lower(): ENVIRONMENT[key] for key in keys},
    )
    store.client.create_bucket(Bucket="bucket")
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
