"""The one place that decides what an IMAGE is here.

An IMAGE is a float32 NumPy array ``[B, H, W, C]`` of sRGB values in 0..1, a MASK ``[B, H, W]``. What a provider sent
stays encoded in a :class:`LazyImage` until a node uses its pixels. In a runner with torch, nodes other than the core's
are given tensors; a tensor from a node is accepted wherever an image is, without importing torch here.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np

    Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

DECODED_BYTES = 64 * 1024 * 1024
"""Decoded pixels of lazy images that are kept for the next node, all runners of the process together."""


def wants_tensors(asked: bool | None) -> bool:
    """Whether nodes get tensors: as asked, or with None where a loaded pack has imported torch already.

    Raises:
        MissingExtra: tensors were asked for, but torch is not installed.
    """
    if not asked:
        return asked is None and "torch" in sys.modules
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise MissingExtra("Tensors need torch.", hint="pip install 'mintmark[local]'") from error
    return True


def as_tensor(value: Any) -> Any:
    """An array or lazy image as a torch tensor over the same memory; anything else as it is."""
    numpy = sys.modules.get("numpy")
    if isinstance(value, LazyImage):
        value = value.decoded()
    elif numpy is None or not isinstance(value, numpy.ndarray):
        return value
    # A tensor cannot be read-only: a view of somebody else's array is copied, so that no node changes another's.
    return sys.modules["torch"].from_numpy(value if value.flags.writeable else value.copy())


def as_plain(value: Any) -> Pixels:
    """An array, a tensor or a lazy image as a float32 array of the same shape."""
    import numpy as np

    if isinstance(value, LazyImage):
        return value.decoded()
    if hasattr(value, "detach"):
        value = value.detach().float().cpu().numpy()  # NumPy has no bfloat16
    return np.asarray(value, dtype=np.float32)


def as_array(image: Any) -> Pixels:
    """The image as float32 ``[B, H, W, C]``; one picture without its batch axis gets one."""
    array = as_plain(image)
    return array if array.ndim == 4 else array[None]


def as_mask(mask: Any) -> Pixels:
    """The mask as float32 ``[B, H, W]``; one without its batch axis gets one."""
    array = as_plain(mask)
    return array if array.ndim == 3 else array.reshape(-1, *array.shape[-2:])


class _Decoded:
    """The pixels used last, up to so many bytes, so that two nodes in a row do not decode one image twice."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._kept: OrderedDict[int, Pixels] = OrderedDict()
        # Reentrant: a garbage collection within may end another image, which then forgets its pixels here.
        self._turn = threading.RLock()
        self.bytes = 0

    def get(self, key: int) -> Pixels | None:
        with self._turn:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: int, pixels: Pixels) -> None:
        if pixels.nbytes > self._max:
            return
        with self._turn:
            self._drop(key)
            self._kept[key] = pixels
            self.bytes += pixels.nbytes
            while self.bytes > self._max:
                self._drop(next(iter(self._kept)))

    def forget(self, key: int) -> None:
        with self._turn:
            self._drop(key)

    def _drop(self, key: int) -> None:
        gone = self._kept.pop(key, None)
        self.bytes -= 0 if gone is None else gone.nbytes


_decoded = _Decoded(DECODED_BYTES)


class LazyImage:
    """An IMAGE that is decoded when its pixels are used, and let go of again: it quacks like the array it stands for.

    ``kept_bytes`` is what it holds until then, for the cache's budget. ``decode`` gives float32 of the ``shape``; it
    may be called more than once, and in any thread. Whoever made the image knows it again by its ``decode``.
    """

    def __init__(self, shape: tuple[int, int, int, int], kept_bytes: int, decode: Callable[[], Pixels]) -> None:
        self.shape = shape
        self.kept_bytes = kept_bytes
        self.decode = decode

    def __del__(self) -> None:
        _decoded.forget(id(self))

    def decoded(self) -> Pixels:
        """The pixels, read-only: other nodes see the same ones."""
        found = _decoded.get(id(self))
        if found is None:
            found = self.decode()
            found.flags.writeable = False
            _decoded.put(id(self), found)
        return found

    @property
    def ndim(self) -> int:
        return 4

    @property
    def dtype(self) -> Any:
        import numpy as np

        return np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        batch, height, width, channels = self.shape
        return 4 * batch * height * width * channels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np

        return np.array(self.decoded(), dtype=dtype) if copy else np.asarray(self.decoded(), dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: Any) -> Any:
        return self.decoded()[where]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.decoded())

    def __getattr__(self, name: str) -> Any:
        # Asked of the class first: a question such as hasattr(image, "detach") must not decode anything.
        import numpy as np

        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return getattr(self.decoded(), name)

    def __repr__(self) -> str:
        return f"<IMAGE {list(self.shape)}, {self.kept_bytes} bytes until its pixels are used>"


def _forwarded(name: str) -> Callable[..., Any]:
    def operator(self: LazyImage, *others: Any) -> Any:
        return getattr(self.decoded(), name)(*others)

    return operator


# Python looks operators up on the class, past __getattr__.
for _name in ("add", "sub", "mul", "truediv", "pow", "radd", "rsub", "rmul", "rtruediv", "neg", "lt", "le", "gt", "ge"):
    setattr(LazyImage, f"__{_name}__", _forwarded(f"__{_name}__"))
