"""Adam, its learning rate, and the best weights so far: everything that a run needs to continue to the same weights."""

import math
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from contract.rows import Floats
from training.plan import Plan
from training.recipes import TaskRecipe


class Best:
    """The weights with the lowest validation loss so far."""

    def __init__(self, variables: list[tf.Variable]) -> None:
        self._variables = variables
        self.loss = math.inf
        self.waited = 0  # epochs since
        self.weights: list[Floats] = [variable.numpy() for variable in variables]

    def note(self, loss: float) -> None:
        """Note the validation loss of the weights after an epoch. It is compared as float32, as a checkpoint keeps it."""
        loss = float(np.float32(loss))
        if loss < self.loss:
            self.loss, self.waited, self.weights = loss, 0, [variable.numpy() for variable in self._variables]
        else:
            self.waited += 1

    def put_back(self) -> None:
        """Make the best weights the model's weights."""
        if self.loss < math.inf:
            for variable, array in zip(self._variables, self.weights, strict=True):
                variable.assign(array)


class Adam:
    """Kingma & Ba 2015 with Keras' constants, by TensorFlow's fused operation.

    Keras' optimiser gives the same numbers at the same speed, but tracing it takes longer than the tutorial's epochs.
    """

    def __init__(self, variables: list[tf.Variable]) -> None:
        self.variables = variables
        self.iterations = tf.Variable(0, dtype=tf.int32)
        self._moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
        self.best = Best(variables)

    def apply(self, gradients: list[tf.Tensor], step: tf.Tensor, rate: tf.Tensor) -> None:
        """One update, the `step`-th from 0."""
        beta_1, beta_2, count = 0.9, 0.999, tf.cast(step + 1, tf.float32)
        for variable, (first, second), gradient in zip(self.variables, self._moments, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=beta_1**count,
                beta2_power=beta_2**count,
                lr=rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=1e-7,
                grad=gradient,
            )
        self.iterations.assign(step + 1)

    def state(self) -> list[Floats]:
        """For each variable its value and both moments; then the best weights, and their loss with the epochs since."""
        kept = [array.numpy() for kept in self._kept() for array in kept]
        return [*kept, *self.best.weights, np.array([self.best.loss, self.best.waited], np.float32)]

    def restore(self, step: int, state: list[Floats]) -> None:
        """Restore the `state` after `step` steps. Raises ValueError where shapes differ from the variables'."""
        variables = [each for kept in self._kept() for each in kept]
        *arrays, best = state
        if len(arrays) != len(variables) + len(self.variables):
            raise ValueError(f"expected the shapes of {len(self.variables)} variables; received the state of another network")
        for variable, array in zip(variables, arrays[: len(variables)], strict=True):
            variable.assign(array)
        self.best.weights = arrays[len(variables) :]
        self.best.loss, self.best.waited = float(best[0]), int(best[1])
        self.iterations.assign(step)

    def _kept(self) -> Iterator[tuple[tf.Variable, tf.Variable, tf.Variable]]:
        for variable, (first, second) in zip(self.variables, self._moments, strict=True):
            yield variable, first, second


def adam_of(model: keras.Model) -> Adam:
    return Adam([variable.value for variable in model.trainable_variables])


def rate_at(plan: Plan, step: tf.Tensor) -> tf.Tensor:
    """The learning rate of a step: constant, or half a cosine down to zero."""
    rate = tf.constant(plan.learning_rate)
    if not isinstance(plan.recipe, TaskRecipe) and not plan.recipe.cosine:
        return rate
    return rate * 0.5 * (1.0 + tf.cos(3.14159265 * tf.cast(step, tf.float32) / plan.steps))
