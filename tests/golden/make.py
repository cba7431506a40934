"""Write the golden bucket of this version: python -m tests.golden.make v1

Only ever for a new format version, into a new folder. A bucket that exists is never written again: it is the promise
that every later version reads what this one wrote.
"""

import sys

from tests.golden.story import FOLDER, write


def main() -> None:
    (version,) = sys.argv[1:]
    folder = FOLDER / version
    if folder.exists():
        sys.exit(f"{folder} exists; a golden bucket is written once. Choose the next version.")
    write(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    print(f"{folder}: {len(files)} objects, {sum(path.stat().st_size for path in files)} bytes")


if __name__ == "__main__":
    main()
