"""What training reports after each chunk of steps, and how it fails."""

from typing import NamedTuple


class Progress(NamedTuple):
    step: int
    steps: int
    loss: float  # of an echo the mean squared error of the last step; otherwise the mean of the steps since the last report
    learning_rate: float
    seconds: float  # since the start, compilation included
    metric: float | None = None  # as the loss: mean absolute error in the user's units, or accuracy; None: an echo
    validation_loss: float | None = None  # None: not measured after this step
    validation_metric: float | None = None

    @property
    def curve(self) -> str:
        """Loss and metric in one line, on the validation rows after the slash."""
        sides = (("loss", self.loss, self.validation_loss), ("metric", self.metric, self.validation_metric))
        shown = ((name, [f"{value:.3g}" for value in values if value is not None]) for name, *values in sides)
        return ", ".join(f"{name} {' / '.join(values)}" for name, values in shown if values)


class Diverged(Exception):
    """The loss is not finite, so no further step can improve the weights."""

    def __init__(self, step: int, learning_rate: float) -> None:
        super().__init__(
            f"training diverged: the loss is not finite at step {step:,}. Try a lower --learning-rate than {learning_rate:g}, "
            "and look for outliers in the data"
        )
