"""Split a stream of bytes into frames, without I/O. A frame is an int32 length and that many bytes."""

from higgins_protocol.errors import DecodeError
from higgins_protocol.primitives import Buffer

LENGTH_BYTES = 4


class FrameSplitter:
    """Takes the bytes that arrive and returns the frames they complete. It buffers at most one incomplete frame.

    Raises: DecodeError for a negative length or one above `frame_bytes_max`. The stream cannot be read any further.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._pending = bytearray()

    def __repr__(self) -> str:
        return f"<FrameSplitter pending={len(self._pending)} of at most {self._frame_bytes_max}>"

    @property
    def is_between_frames(self) -> bool:
        """No byte of another frame has arrived, so the stream may end here."""
        return not self._pending

    def feed(self, data: Buffer) -> list[memoryview]:
        """The frames that these bytes complete, without their lengths. The views stay valid: buffers are not reused."""
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
            # The frames are views of the old buffer and keep it alive, so the incomplete frame moves to a new one.
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
