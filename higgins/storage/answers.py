"""What a cloud store answered, read from an error of obstore, and the exception that it becomes.

obstore reports an answer as text: one line of its own, then the body, in which services put a code and a sentence. Both
must reach the person who has to act, and the code decides what the answer means: a 404 may be a missing object or a
missing bucket, a 409 may be an object that exists or a request to try again.
"""

import re
from typing import Literal, TypeAlias

import msgspec

from higgins.model.errors import HigginsError, ObjectExists, ObjectMissing, StorageUnavailable

Operation: TypeAlias = Literal["create", "put", "get", "list", "delete"]

BODY_CHARS_MAX = 300
"""Of a body that is neither XML nor JSON, and of a sentence in one that is, this much is shown."""

_STATUS = re.compile(r"status code: (\d{3})[^:\n]*: ?(.*?)(?:\n\nDebug source:|\Z)", re.DOTALL)
_ONE_OF_MANY = re.compile(r"request failed for key [^:\n]*: ([^\n]*) \(code: (\w+)\)")
"""Deletes are sent as requests for many keys, whose answer has a line for each key."""
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>|\"(?:reason|code)\": *\"([^\"]{1,100})\"", re.DOTALL)
_MESSAGE = re.compile(r"<Message>(.*?)</Message>|\"message\": *\"([^\"]*)\"", re.DOTALL)
_INNER = re.compile(r"(?:message|error): \"([^\"]{1,200})\"")
_TLS = re.compile(r"InvalidContentType|InvalidCertificate|UnknownIssuer|NotValidForName|AlertReceived|certificate")

_MISSING_OBJECT = frozenset({"NoSuchKey", "NoSuchVersion", "BlobNotFound", "ResourceNotFound", "notFound", "NotFound"})
_MISSING_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})
_EXISTS = frozenset({"PreconditionFailed", "ConditionNotMet", "BlobAlreadyExists", "ObjectAlreadyExists"})
_WRONG_KEYS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed", "InvalidAuthenticationInfo"}
)
_WRONG_REGION = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IncorrectEndpoint"})
_WRONG_NAME = frozenset({"InvalidBucketName", "InvalidResourceName"})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "EntityTooLarge"})


class Bucket(msgspec.Struct, frozen=True):
    """What messages say about the bucket, in the words of its cloud."""

    noun: str
    """`bucket`, or `container` at Azure."""
    name: str
    address: str
    """Where requests go, with the setting that changes it."""
    keys: str
    """The settings of the credentials in use, or where they were read instead."""
    region: str
    """The region in use; empty where a cloud needs none."""


class Answer(msgspec.Struct, frozen=True):
    """The status, code and sentence of an answer; status 0 if none arrived."""

    status: int
    code: str
    sentence: str

    @property
    def shown(self) -> str:
        """Status, code and sentence, as far as there are any."""
        words = " ".join(word for word in (str(self.status or ""), self.code) if word)
        return f"{words}: {self.sentence}" if self.sentence and words else words or self.sentence


def answer_of(error: BaseException) -> Answer:
    """The answer that an error of obstore reports."""
    text = str(error)
    found = _STATUS.search(text)
    if found is None:
        one = _ONE_OF_MANY.search(text)
        if one is not None:
            status = int(one[2]) if one[2].isdigit() else 200
            code = {404: "NotFound"}.get(status, "") if one[2].isdigit() else one[2]
            return Answer(status, code, _plain(one[1]))
        if "redirect without LOCATION" in text:
            return Answer(301, "PermanentRedirect", "The bucket is in another region or at another address.")
        return Answer(0, "", _reason(text))
    body = found[2].strip()
    code, message = _CODE.search(body), _MESSAGE.search(body)
    sentence = (message[1] or message[2] or "") if message else "" if code else _plain(body)
    return Answer(int(found[1]), (code[1] or code[2]) if code else "", _plain(sentence))


def error_of(error: BaseException, operation: Operation, key: str, bucket: Bucket) -> HigginsError:
    """The exception of the store port for an error of obstore."""
    answer = answer_of(error)
    if operation in {"get", "delete"} and _says_missing(answer):
        return ObjectMissing(f"No object {key}.")
    if operation == "create" and (answer.status == 412 or answer.code in _EXISTS):
        # A 409 is something else: S3 and Google answer it to a request that met another one, and ask to repeat it.
        return ObjectExists(f"Object {key} exists already.")
    what = {"get": "read", "list": "listed", "delete": "deleted"}.get(operation, "written")
    advice, needs_change = _advice(answer, bucket)
    shown = answer.shown.rstrip(".") or type(error).__name__
    # What a setting has to correct concerns every object, so the one that was asked for is left out.
    subject = f"The {bucket.noun} {bucket.name} cannot be used" if needs_change else (
        f"{key} could not be {what} in {bucket.noun} {bucket.name}"
    )
    return StorageUnavailable(
        f"{subject}: {shown}.{advice}",
        answered=bool(answer.status),
        # A create is one request. Of a put, only the last attempt is known; but to repeat it changes nothing.
        certain=operation in {"create", "put"} and _is_refusal(answer, str(error)),
        needs_change=needs_change,
    )


def _says_missing(answer: Answer) -> bool:
    """Whether a store says that there is no such object. A proxy without its store answers 404 in its own words."""
    if answer.code:
        return answer.status in {200, 404} and answer.code in _MISSING_OBJECT
    return answer.status == 404 and answer.sentence.lower().rstrip(".") in {"", "not found"}


def _is_refusal(answer: Answer, text: str) -> bool:
    """Whether the request certainly has no effect, neither now nor later."""
    if not answer.status:
        return "kind: Connect," in text  # nothing was sent
    if 400 <= answer.status < 500:
        return answer.status not in {408, 409, 425, 499}
    # A service that names a code has judged the request itself. A proxy may answer 503 for a request that it forwarded.
    return answer.status == 503 and answer.code in {"SlowDown", "ServiceUnavailable", "ServerBusy", "Busy"}


def _advice(answer: Answer, bucket: Bucket) -> tuple[str, bool]:
    """What to do, as a sentence with a space before it, and whether waiting cannot help."""
    if answer.status == 404 or answer.code in _MISSING_BUCKET:
        known = answer.code in _MISSING_BUCKET
        return (
            f" Create the {bucket.noun}, or correct its name in the setting store.url (--store), "
            f"or the address: {bucket.address}.",
            known,
        )
    if answer.code in _WRONG_KEYS:
        return f" Correct {bucket.keys}.", True
    if answer.code in _WRONG_REGION or answer.status == 301:
        region = f"the setting store.region, now '{bucket.region}', or " if bucket.region else ""
        return f" Correct {region}the address: {bucket.address}.", True
    if answer.code in _WRONG_NAME:
        return f" Correct the name of the {bucket.noun} in the setting store.url (--store).", True
    if answer.status in {401, 403} and answer.code not in _FULL:
        return f" Check {bucket.keys}, and that they may read, write, list and delete there.", False
    if answer.status == 0:
        return f" The address is {bucket.address}.", False
    return "", False


def _reason(text: str) -> str:
    """Why no answer arrived, from the description of the innermost error."""
    first = text.partition("\n")[0]
    if "kind: Timeout" in text:
        return "no answer in time"
    if _TLS.search(text) and "kind: Connect" in text:
        return "no TLS connection: the certificate is not accepted, or the address does not speak TLS (https)"
    inner = [one for one in _INNER.findall(text) if one not in {"tcp connect error", "dns error"}]
    if "kind: Connect" in text:
        return f"no connection ({inner[-1].rstrip('.')})" if inner else "no connection"
    if "IncompleteBody" in text or "IncompleteMessage" in text or "ConnectionReset" in text:
        return "the connection was closed before the answer was complete"
    if "hyper::Error(\n" in text and "Parse(" in text:
        return "the answer is not HTTP; something else than an object store listens there"
    return _plain(first.rpartition(" - ")[2] or first) or "unknown error"


def _plain(text: str) -> str:
    """Text of a stranger on one line, without markup and control characters, and not too long."""
    words = re.sub(r"<[^<>]{0,200}>", " ", text)
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return line if len(line) <= BODY_CHARS_MAX else f"{line[:BODY_CHARS_MAX]}…"
