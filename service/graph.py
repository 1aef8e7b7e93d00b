"""What of TensorFlow the service uses: its import, calls of functions, weights, and what makes two graphs the same."""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from contract.topologies import Floats
from service import metrics


def tensorflow() -> Any:
    """TensorFlow, imported when first asked for and without Keras.

    Not at the module's top: BentoML's supervising process imports the service too, and would pay 500 MB for it. A SavedModel
    needs no Keras, which TensorFlow imports where it can: half a second and 100 MB, with pandas where that is installed.
    """
    if "tensorflow" in sys.modules or "keras" in sys.modules:
        import tensorflow  # noqa: PLC0415

        return tensorflow
    sys.modules["keras"] = None  # type: ignore[assignment]  # what the import system takes for "cannot be imported"
    try:
        import tensorflow  # noqa: PLC0415
    finally:
        del sys.modules["keras"]
    return tensorflow


def use_threads(number: int) -> None:
    """Threads of one model call, for this process; before the first model is loaded."""
    tf = tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(number)
    tf.config.threading.set_inter_op_parallelism_threads(number)


class Weights:
    """A version's variables by name, and its counters. `labels` are those of `metrics.MODEL`."""

    def __init__(self, variables: Mapping[str, Any], labels: tuple[str, str]) -> None:
        self.variables = variables
        self.computed = metrics.computed_items.labels(*labels)
        self.calls, self.uncompiled_calls = (metrics.model_calls.labels(*labels, kind) for kind in ("compiled", "uncompiled"))
        self.bound: dict[Call, list[Any]] = {}  # what each call captures, of this version

    @classmethod
    def read(cls, folder: Path, like: Mapping[str, Any], labels: tuple[str, str], pace: Callable[[], None]) -> "Weights":
        """Those that the SavedModel in `folder` has for the variables in `like`. `pace` is called between the steps."""
        tf = tensorflow()
        from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph  # noqa: PLC0415

        checkpoint = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        graph = TrackableObjectGraph.FromString(checkpoint.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
        keys = {attribute.full_name: attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}
        variables = {}
        for name in like:
            pace()
            variables[name] = tf.Variable(checkpoint.get_tensor(keys[name]), trainable=False)
        return cls(variables, labels)


class Call:
    """`function` of float32 arrays, traced for these shapes, that can be called with any version's `Weights`.

    It is executed as TensorFlow's own operations are, by name: calling the concrete function, which first matches the arguments
    to a signature, takes twice as long (107 us instead of 50), its `call_flat` half as long again. DLPack hands arrays over
    without a copy: 1 us instead of 9, and instead of 60 when the caches are cold.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        shapes: tuple[tuple[int | None, ...], ...],
        variables: Mapping[str, Any],
        jit: bool,
    ) -> None:
        tf = tensorflow()
        from tensorflow.python.eager import context, execute  # noqa: PLC0415

        specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
        concrete = tf.function(function, jit_compile=jit, autograph=False).get_concrete_function(*specs)
        names = {id(variable.handle): name for name, variable in variables.items()}
        self._concrete = concrete  # the function is there as long as this is
        self._captures = [names[id(captured)] for captured in concrete.captured_inputs]
        function_, self._context = concrete.inference_fn, context.context()
        self._attributes = (*chain.from_iterable(self._context.function_call_options.as_attrs().items()),)
        self._name, self._outputs = function_.name.decode(), len(function_.function_type.flat_outputs)
        self._execute = execute.execute
        # Kernels that are not compiled want aligned memory, and end the process where they do not find it.
        from_dlpack = tf.experimental.dlpack.from_dlpack
        self._borrow = (lambda array: from_dlpack(array.__dlpack__())) if jit else tf.constant

    def __call__(self, weights: Weights, *arrays: Floats) -> tuple[Floats, ...]:
        bound = weights.bound.get(self)
        if bound is None:
            bound = weights.bound[self] = [weights.variables[name].handle for name in self._captures]
        borrow = self._borrow
        inputs = [*[borrow(array) for array in arrays], *bound]
        outputs = self._execute(self._name, self._outputs, inputs, self._attributes, self._context)
        return tuple([tensor.numpy() for tensor in outputs])


def fingerprint(folder: Path, pace: Callable[[], None] = lambda: None) -> str:
    """The same for SavedModels whose signatures compute the same of variables of the same names and shapes. Raises ValueError.

    `pace` is called between the steps.

    TensorFlow's own fingerprint also covers how variables are saved and restored, in an order that differs from export to
    export. Functions are numbered by the process that exported them, and some arguments are named after them, so each is
    hashed under its place instead of its name.
    """
    tensorflow()
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # noqa: PLC0415

    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    objects = graph.object_graph_def
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    signatures = next(child.node_id for child in objects.nodes[0].children if child.local_name == "signatures")
    digest = hashlib.sha256()
    for child in sorted(objects.nodes[signatures].children, key=lambda child: child.local_name):
        pace()
        root = objects.nodes[child.node_id].bare_concrete_function.concrete_function_name
        digest.update(f"{child.local_name}\n".encode())
        for bound in objects.concrete_functions[root].bound_inputs:
            if not objects.nodes[bound].HasField("variable"):
                raise ValueError(
                    f"{child.local_name} rests on more than its variables: a tensor, a table or a file outside its graph"
                )
            digest.update(objects.nodes[bound].variable.SerializeToString(deterministic=True))
        for function in _unnamed(root, functions):
            digest.update(function)
            pace()
    return digest.hexdigest()


def _unnamed(root: str, functions: Mapping[str, Any]) -> Iterator[bytes]:
    """A function and all that it calls, in the order of the calls, each name replaced by its place in that order."""
    order = [root]

    def place(name: str) -> str:
        if name not in order:
            order.append(name)
        return f"function {order.index(name)}"

    for name in order:  # grows meanwhile
        function = type(functions[name])()
        function.CopyFrom(functions[name])
        function.signature.name = place(name)
        if name != root:  # which is called with arguments by name
            _number_arguments(function)
        for attributes in function.arg_attr.values():
            attributes.attr.pop("_user_specified_name", None)
        for node in function.node_def:
            node.op = place(node.op) if node.op in functions else node.op
            for call in _calls(node):
                call.name = place(call.name) if call.name in functions else call.name
        yield function.SerializeToString(deterministic=True)


def _calls(node: Any) -> Iterator[Any]:
    for key in sorted(node.attr):
        if node.attr[key].HasField("func"):
            yield node.attr[key].func
        yield from node.attr[key].list.func


def _number_arguments(function: Any) -> None:
    numbers = {argument.name: f"argument {n}" for n, argument in enumerate(function.signature.input_arg)}
    for argument in function.signature.input_arg:
        argument.name = numbers[argument.name]
    for node in function.node_def:
        node.input[:] = [numbers.get(given, given) for given in node.input]
    for output, given in function.ret.items():
        function.ret[output] = numbers.get(given, given)
