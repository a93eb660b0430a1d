"""What can be wrong with a request. Which status each becomes stands in `service.problems`."""


class ServiceError(Exception):
    """Base of every error that `service` raises on purpose."""


class BodyMalformed(ServiceError):
    """A request's body or header cannot be parsed."""


class SearchRefused(ServiceError):
    """A search of the catalogue asks for what is not understood or not offered."""


class CollectionUnknown(ServiceError):
    """The catalogue has no collection of that id."""


class ItemUnknown(ServiceError):
    """A collection has no item of that id."""


class InputsRefused(ServiceError):
    """A request is well formed, but asks for what cannot be."""


class PageUnknown(ServiceError):
    """The token of a page is none that a link `next` gave."""


class MediaTypeRefused(ServiceError):
    """A body is of a media type that the route does not read."""


class BodyTooLarge(ServiceError):
    """A body is larger than is allowed here."""


class BodyStalled(ServiceError):
    """A body stopped coming before its end."""


class TusVersionRefused(ServiceError):
    """A request to a resumable upload names no version of tus that is spoken here."""


class OffsetWrong(ServiceError):
    """A piece of an upload does not begin where the upload ends."""


class ChecksumWrong(ServiceError):
    """A piece of an upload is not what its checksum says."""


class UploadLocked(ServiceError):
    """Two requests want to write to one upload at once."""


class CredentialsMissing(ServiceError):
    """There are keys, and the request has none."""


class TokenInvalid(ServiceError):
    """A token is not the OIDC issuer's, not for this service, or its time is over."""


class IssuerUnavailable(ServiceError):
    """The OIDC issuer does not tell its keys, so that no token can be checked."""


class ScopeMissing(ServiceError):
    """The request's key does not allow what it asks for."""


class RateExceeded(ServiceError):
    """An owner has sent more requests than a minute allows.

    Attributes:
        retry_after_s: seconds until the next minute.
    """

    def __init__(self, message: str, retry_after_s: int = 60) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OriginRefused(ServiceError):
    """A page of another site sent the request, or a name that points here for no good reason."""


class ProcessUnknown(ServiceError):
    """No process has that id."""


class AssetUnknown(ServiceError):
    """A scene has no asset of that name."""


class ProductUnknown(ServiceError):
    """A job has no product of that name."""


class LayerUnknown(ServiceError):
    """What was asked for is no raster that is drawn as tiles."""


class SceneNotReady(ServiceError):
    """A scene's assets were asked for before its ingest ended well."""


class SceneInUse(ServiceError):
    """A scene cannot be deleted while a job reads it."""


class ResultNotReady(ServiceError):
    """A job's results were asked for before it ended."""


class ResultFailed(ServiceError):
    """A job's results were asked for, but it failed."""


class ResultGone(ServiceError):
    """A job's results were asked for, but it was dismissed."""


class ServeRefused(ServiceError):
    """The service cannot start: its port or its data folder is taken, or a program is missing."""


class DemoFailed(ServiceError):
    """The demo did not show what it must show."""
