"""Split a stream of bytes into frames, sans-IO. A frame is four bytes of length, big-endian, and that many bytes."""

from higgins_protocol.errors import DecodeError
from higgins_protocol.primitives import Buffer

LENGTH_BYTES = 4


class FrameSplitter:
    """Feed it what arrived, take the frames that are complete. It holds at most one frame and what was just fed.

    Raises: DecodeError for a length below zero or above `frame_bytes_max`; nothing can follow it on this stream.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._pending = bytearray()

    def __repr__(self) -> str:
        return f"<FrameSplitter pending={len(self._pending)} of at most {self._frame_bytes_max}>"

    @property
    def is_between_frames(self) -> bool:
        """Nothing of a further frame has come: the stream may end here."""
        return not self._pending

    def feed(self, data: Buffer) -> list[memoryview]:
        """The frames these bytes complete, without their lengths. The views stay good: nothing is written again."""
        self._pending += data
        whole = self._pending
        view = memoryview(whole)
        frames = []
        position = 0
        while len(whole) - position >= LENGTH_BYTES:
            start = position + LENGTH_BYTES
            size = self._size(view[position:start])
            if start + size > len(whole):
                break
            frames.append(view[start : start + size])
            position = start + size
        if position:
            # The frames keep the old buffer alive, so what is left over moves to a new one.
            self._pending = bytearray(view[position:])
        return frames

    def _size(self, prefix: memoryview) -> int:
        size = int.from_bytes(prefix, "big", signed=True)
        if size < 0:
            raise DecodeError(f"a frame of {size} bytes", field="length", position=0)
        if size > self._frame_bytes_max:
            what = f"a frame of {size} bytes, at most {self._frame_bytes_max}"
            raise DecodeError(what, field="length", position=0)
        return size
