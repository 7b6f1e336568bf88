#!/bin/sh
# A script that knows nothing of Portcullis: 0 is done, anything else is not, and the last line
# that it prints is kept as what it did.
#
#   [kinds.tidy]
#   handler = { exec = { command = ["./tidy.sh", "/tmp"], output = "text" } }
set -eu
: "${PORTCULLIS_SOURCE_KEY:=by hand}"
echo "looking for $PORTCULLIS_SOURCE_KEY" >&2
count=$(find "${1:-.}" -maxdepth 1 -type f | wc -l)
echo "$count files looked at"
