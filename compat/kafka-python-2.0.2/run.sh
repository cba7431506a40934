#!/bin/sh
# kafka-python 2.0.2, which many programs still pin; it does not run on Python 3.12 or later.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
environment kafka-python-2.0.2 "python3.11" 'kafka-python==2.0.2' lz4 python-snappy zstandard
try "$(version_of kafka-python)" "$@"
