"""What can go wrong between a job and its products."""


class WorkerError(Exception):
    """Base of every error that `workers` raises on purpose."""


class JobRefused(WorkerError):
    """A job cannot be planned from its inputs."""


class JobsAtOnce(WorkerError):
    """An owner has as many jobs under way as are allowed."""


class StorageExceeded(WorkerError):
    """An owner has stored as much as is allowed.

    Attributes:
        used: bytes that are stored.
        allowed: bytes that may be.
    """

    def __init__(self, message: str, used: int = 0, allowed: int = 0) -> None:
        super().__init__(message)
        self.used, self.allowed = used, allowed


class IdempotencyKeyReused(WorkerError):
    """A client sent another request under a key that stands for a job already."""


class JobUnknown(WorkerError):
    """No job has that id."""


class SceneUnknown(WorkerError):
    """No scene has that id."""


class KeyInvalid(WorkerError):
    """A request's key is none of ours, or is not taken any more."""


class KeyUnknown(WorkerError):
    """No key has that id."""


class OwnerRefused(WorkerError):
    """A key cannot be made for that owner, or with those scopes."""


class UploadUnknown(WorkerError):
    """No upload has that id."""


class UploadExpired(WorkerError):
    """An upload's time ran out before it was whole."""


class NotStored(WorkerError):
    """The store holds nothing under that key."""


class KeyRefused(NotStored):
    """What was given is no key of the store: it must be relative, without `..` and without hidden parts."""


class StoreUnavailable(WorkerError):
    """The store cannot be reached at the moment; trying again is right."""


class LeaseLost(WorkerError):
    """Another worker holds this piece of work now; what was done here is dropped."""


class Dismissed(WorkerError):
    """The job was dismissed while its work was under way."""


class Stopped(WorkerError):
    """This worker was told to stop; its work is given back and goes on elsewhere."""


class ReadingDied(WorkerError):
    """The process that read an upload was killed or crashed."""


class AddressRefused(WorkerError):
    """An address that a stranger gave is none that we ask: not public, not https, not among the sources."""


class AddressUnreachable(WorkerError):
    """An address that a stranger gave does not answer at the moment; trying again may help."""
