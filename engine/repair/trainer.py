"""Steps of an optimizer on a Keras model, many in one call, with the same numbers every time; on all three backends.

A call takes a block of batches, (steps, batch, ..) arrays: TensorFlow and JAX loop over them in their own graph.
After every update what a variable's mask calls pruned is put to zero: to +0, which multiplying would not always give.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from engine.repair.objective import Objective

Tensor = Any
MOMENTUM, DECAY = 0.9, 5e-4  # of sgd, as in BackdoorBench


def make_optimizer(name: str, rate: float, steps: int) -> Any:
    """Adam, or gradient descent with momentum, weight decay and a rate that falls to 0 along a cosine."""
    if name == "adam":
        return keras.optimizers.Adam(rate)
    falling = keras.optimizers.schedules.CosineDecay(rate, steps)
    return keras.optimizers.SGD(falling, momentum=MOMENTUM, weight_decay=DECAY)


class Trainer:
    """Trains `model`, from arrays to scores. `masks`: by the variable's path, False where it has to be zero."""

    def __init__(self, model: Any, objective: Objective, optimizer: Any, masks: dict[str, np.ndarray]) -> None:
        self.model, self.objective, self.optimizer = model, objective, optimizer
        self.variables = list(model.trainable_variables)
        self.masks = [masks.get(variable.path) for variable in self.variables]
        optimizer.build(self.variables)
        ways = {"tensorflow": self._tensorflow, "jax": self._jax, "torch": self._torch}
        self.call = ways[keras.backend.backend()]()

    def block(self, arrays: Sequence[np.ndarray], labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Take a step for each batch; gives their losses, (steps,)."""
        return np.asarray(self.call(list(arrays), labels.astype("int32"), weights.astype("float32")), "float64")

    def seed(self, *numbers: int) -> None:
        """Let dropout and noise begin anew, from these numbers."""
        for place, generator in enumerate(seed_generators(self.model)):
            found = np.random.default_rng([*numbers, place]).integers(0, 2**31, 2)
            generator.state.assign(keras.ops.cast(found, generator.state.dtype))

    def state(self) -> list[np.ndarray]:
        """The optimizer's own numbers."""
        return [keras.ops.convert_to_numpy(variable) for variable in self.optimizer.variables]

    def restore(self, state: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self.optimizer.variables, state, strict=True):
            variable.assign(value)

    # --- one way for each backend ---

    def _tensorflow(self) -> Any:
        import tensorflow as tf

        def step(place: Tensor, losses: Tensor, arrays: Any, labels: Tensor, weights: Tensor) -> Any:
            with tf.GradientTape() as tape:
                scores = self.model([array[place] for array in arrays], training=True)
                loss = self.objective(scores, labels[place], weights[place])
            watched = [variable.value for variable in self.variables]
            gradients = tape.gradient(loss, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            self.optimizer.apply(gradients, self.variables)
            for variable, mask in zip(self.variables, self.masks, strict=True):
                if mask is not None:
                    variable.assign(tf.where(mask, variable.value, tf.zeros_like(variable.value)))
            return place + 1, losses.write(place, loss), arrays, labels, weights

        def block(arrays: Any, labels: Tensor, weights: Tensor) -> Tensor:
            steps = tf.shape(labels)[0]
            start = (tf.constant(0), tf.TensorArray(tf.float32, size=steps), arrays, labels, weights)
            return tf.while_loop(lambda place, *_: place < steps, step, start, parallel_iterations=1)[1].stack()

        inputs = [tf.TensorSpec((None, *tensor.shape), tensor.dtype) for tensor in self.model.inputs]
        signature = [inputs, tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None, None), "float32")]
        return tf.function(block, signature, autograph=False)

    def _jax(self) -> Any:
        import jax

        model, optimizer, others = self.model, self.optimizer, list(self.model.non_trainable_variables)

        def loss_of(own: Any, rest: Any, arrays: Any, labels: Tensor, weights: Tensor) -> Any:
            scores, rest = model.stateless_call(own, rest, arrays, training=True)
            return self.objective(scores, labels, weights), rest

        def step(held: Any, batch: Any) -> Any:
            own, rest, state = held
            (loss, rest), gradients = jax.value_and_grad(loss_of, has_aux=True)(own, rest, *batch)
            own, state = optimizer.stateless_apply(state, gradients, own)
            own = [
                value if mask is None else keras.ops.where(mask, value, 0.0)
                for value, mask in zip(own, self.masks, strict=True)
            ]
            return (own, rest, state), loss

        scan = jax.jit(lambda held, batches: jax.lax.scan(step, held, batches))

        def block(arrays: Any, labels: np.ndarray, weights: np.ndarray) -> Tensor:
            sets = (self.variables, others, list(optimizer.variables))
            held = tuple([variable.value for variable in variables] for variables in sets)
            found, losses = scan(held, (arrays, labels, weights))
            for variables, values in zip(sets, found, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
            return losses

        return block

    def _torch(self) -> Any:
        import torch

        def block(arrays: Any, labels: np.ndarray, weights: np.ndarray) -> Tensor:
            losses = []
            masks = [None if mask is None else keras.ops.convert_to_tensor(mask) for mask in self.masks]
            with torch.enable_grad():
                for step in range(len(labels)):
                    batch = [keras.ops.convert_to_tensor(array[step]) for array in arrays]
                    truth, counted = (
                        keras.ops.convert_to_tensor(labels[step]),
                        keras.ops.convert_to_tensor(weights[step]),
                    )
                    loss = self.objective(self.model(batch, training=True), truth, counted)
                    watched = [variable.value for variable in self.variables]
                    gradients = torch.autograd.grad(loss, watched, allow_unused=True)
                    given = [
                        torch.zeros_like(at) if by is None else by for at, by in zip(watched, gradients, strict=True)
                    ]
                    with torch.no_grad():
                        self.optimizer.apply(given, self.variables)
                        for variable, mask in zip(self.variables, masks, strict=True):
                            if mask is not None:
                                variable.assign(torch.where(mask, variable.value, torch.zeros_like(variable.value)))
                    losses.append(float(loss.detach()))
            return np.array(losses)

        return block


def seed_generators(model: Any) -> list[Any]:
    """Where the layers of a model take their chance from, in the order of the layers."""
    found = [getattr(layer, "seed_generator", None) for layer in model.layers]
    return [generator for generator in found if generator is not None]
