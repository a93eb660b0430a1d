"""What can be wrong with networks and their checkpoints."""


class ModelError(Exception):
    """Base of every error that `models` raises on purpose."""


class ModelUnknown(ModelError):
    """No checkpoint of that name and version is installed."""


class CheckpointRefused(ModelError):
    """A checkpoint's files do not fit its card, or are of a kind that is never loaded."""


class ConfigRefused(ModelError):
    """A training configuration cannot be used."""


class DataRefused(ModelError):
    """A data set cannot be learned from, or scored on, as it is."""


class BoardUnavailable(ModelError):
    """TensorBoard logs were asked for, and the package is not there."""


class ReportUnavailable(ModelError):
    """Pictures of a report were asked for, and the package that draws them is not there."""


class TrainingDiverged(ModelError):
    """The loss is not a number any more."""


class EngineUnavailable(ModelError):
    """The device that was asked for is not there."""


class ModelUnsuited(ModelError):
    """What was asked for is not what the model can do."""


class StateRefused(ModelError):
    """A saved state does not fit the model, or a scene does not follow the last one."""
