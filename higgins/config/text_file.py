"""The text of a file as any system's tools save it."""

from pathlib import Path

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, bytes_max: int) -> str:
    """The text of a file, without the byte order mark that some editors write. Line ends stay as they are.

    Raises: ValueError with a sentence.
    """
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise ValueError(f"The file cannot be read: {error.strerror or error}.") from error
    if len(data) > bytes_max:
        raise ValueError(f"The file is larger than {bytes_max} bytes, the limit.")
    if data.startswith(UTF16_MARKS):
        raise ValueError("The file is UTF-16 text. Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"The file is not UTF-8 text, in line {line}. Save it as UTF-8.") from error
