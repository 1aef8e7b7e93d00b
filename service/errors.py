"""Every error that a request can get, as one tree. Knows no framework; each protocol renders errors in its own form.

UnrollError                         500  internal
├── NotFinite                       500  not-finite             the model answered NaN or infinity
├── NotJSON                         400  not-json
├── NotDecodable                    400  not-decodable          the body is not of the encoding that its header names
├── InvalidTimeout                  400  invalid-timeout        the header x-request-timeout-ms is not a number
├── NotHTTP                         400  not-http               the connection carries another protocol
├── NotTLS                          400  not-tls                plain HTTP on a port that takes TLS
├── WrongHost                       400  wrong-host             the header host is missing, doubled or malformed
├── MissingKey                      401  missing-key
├── WrongKey                        401  wrong-key
│   └── ExpiredKey                  401  expired-key
├── WrongScope                      403  wrong-scope            the key is valid, but lacks the scope
├── UnknownRoute                    404  unknown-route
├── UnknownModel                    404  unknown-model          no model of that name is served
├── UnknownVersion                  404  unknown-version        the model has no such version or alias
├── WrongMethod                     405  wrong-method
├── SlowBody                        408  slow-body              the body did not arrive in time
├── Unchangeable                    409  unchangeable           the store refuses an admin's change
├── BodyTooLarge                    413  body-too-large
├── WrongContentType                415  wrong-content-type
├── WrongContentEncoding            415  wrong-content-encoding
├── Misdirected                     421  misdirected            the host is not one that the service answers for
├── InvalidRequest                  422  invalid-request        the body is JSON, but not a valid request
│   ├── InvalidShape                422  invalid-shape          rows that the model cannot take
│   ├── TooManyValues               422  too-many-values        more rows or items than one request may have
│   ├── TooFarOut                   422  too-far-out            rows so far from the domain that the answer is not finite
│   ├── OutOfDomain                 422  out-of-domain          rows outside the domain, in a request that is `strict`
│   └── LengthNotServed             422  length-not-served      no many_to_one model of that length
├── Overloaded                      429  overloaded             too much is waiting; `reason`: time or bytes
├── RateLimited                     429  rate-limited           the key has sent more than its rate
├── HeadersTooLarge                 431  headers-too-large
├── UnknownTransferCoding           501  unknown-transfer-coding
├── ModelNotServed                  503  model-not-served       no published version of that topology passed its checks
├── TooManyConnections              503  too-many-connections
├── DeadlineExceeded                504  deadline-exceeded      the deadline passed before the answer
└── WrongVersion                    505  wrong-http-version
"""

from typing import Any, ClassVar


class UnrollError(Exception):
    """`detail` is for the user: expected, received, the likely slip. `extra` holds machine-readable facts.

    `example_helps`: the answer also has the body of a request that works, in `example`.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "The service failed"
    example_helps: ClassVar[bool] = False

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail, self.headers, self.extra = detail, headers or {}, extra

    @property
    def type(self) -> str:
        """Stable identifier of this kind of error (RFC 9457, section 3.1.1)."""
        return f"urn:unroll:error:{self.slug}"

    @property
    def row(self) -> int | None:
        """The first row at fault, from 0, where the error is one of a row."""
        return self.extra.get("row")


class NotFinite(UnrollError):
    slug, title = "not-finite", "The model's answer is not a finite number"


class NotJSON(UnrollError):
    status, slug, title = 400, "not-json", "The body is not JSON"
    example_helps = True


class NotDecodable(UnrollError):
    status, slug, title = 400, "not-decodable", "The body cannot be decompressed"


class InvalidTimeout(UnrollError):
    status, slug, title = 400, "invalid-timeout", "The timeout is not a number of milliseconds"


class NotHTTP(UnrollError):
    status, slug, title = 400, "not-http", "This is not an HTTP/1.1 request"


class NotTLS(UnrollError):
    status, slug, title = 400, "not-tls", "This port takes https:// only"


class WrongHost(UnrollError):
    status, slug, title = 400, "wrong-host", "The request does not name one host"


class MissingKey(UnrollError):
    status, slug, title = 401, "missing-key", "A key is needed"


class WrongKey(UnrollError):
    status, slug, title = 401, "wrong-key", "The key is not known"


class ExpiredKey(WrongKey):
    slug, title = "expired-key", "The key has expired"


class WrongScope(UnrollError):
    status, slug, title = 403, "wrong-scope", "The key lacks the scope of this path"


class SlowBody(UnrollError):
    status, slug, title = 408, "slow-body", "The body did not arrive in time"


class UnknownRoute(UnrollError):
    status, slug, title = 404, "unknown-route", "There is nothing at this path"


class UnknownModel(UnrollError):
    status, slug, title = 404, "unknown-model", "No model of this name is served"


class UnknownVersion(UnrollError):
    status, slug, title = 404, "unknown-version", "The model has no such version or alias"


class WrongMethod(UnrollError):
    status, slug, title = 405, "wrong-method", "This path takes another method"
    example_helps = True


class Unchangeable(UnrollError):
    status, slug, title = 409, "unchangeable", "The store refuses this change"


class BodyTooLarge(UnrollError):
    status, slug, title = 413, "body-too-large", "The body is larger than this service takes"


class WrongContentType(UnrollError):
    status, slug, title = 415, "wrong-content-type", "This path takes application/json"
    example_helps = True


class WrongContentEncoding(UnrollError):
    status, slug, title = 415, "wrong-content-encoding", "This service decompresses gzip and zstd"


class Misdirected(UnrollError):
    status, slug, title = 421, "misdirected", "This service does not answer for this host"


class InvalidRequest(UnrollError):
    status, slug, title = 422, "invalid-request", "The request does not follow its schema"
    example_helps = True


class InvalidShape(InvalidRequest):
    slug, title = "invalid-shape", "The model cannot take these rows"


class OutOfDomain(InvalidRequest):
    slug, title = "out-of-domain", "The rows are outside of the model's domain"


class TooFarOut(InvalidRequest):
    slug, title = "too-far-out", "The rows are too far from the model's domain"


class TooManyValues(InvalidRequest):
    slug, title = "too-many-values", "The request has more values than one request may have"
    example_helps = False


class LengthNotServed(InvalidRequest):
    slug, title = "length-not-served", "No many_to_one model of this length is served"


class Overloaded(UnrollError):
    status, slug, title = 429, "overloaded", "Too many requests are waiting"


class RateLimited(UnrollError):
    status, slug, title = 429, "rate-limited", "The key has sent more requests than its rate allows"


class HeadersTooLarge(UnrollError):
    status, slug, title = 431, "headers-too-large", "The headers are larger than this service takes"


class UnknownTransferCoding(UnrollError):
    status, slug, title = 501, "unknown-transfer-coding", "The only transfer coding that this service knows is chunked"


class ModelNotServed(UnrollError):
    status, slug, title = 503, "model-not-served", "No model of this topology is served"


class TooManyConnections(UnrollError):
    status, slug, title = 503, "too-many-connections", "More connections are open than this service takes"


class DeadlineExceeded(UnrollError):
    status, slug, title = 504, "deadline-exceeded", "The deadline has passed"


class WrongVersion(UnrollError):
    status, slug, title = 505, "wrong-http-version", "This service speaks HTTP/1.1"
