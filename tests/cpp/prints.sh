# prints.sh FILE COMMAND...: the command must succeed and print what the file holds.
set -eu
expected=$1
shift
"$@" | diff "$expected" -
echo "the same neighbours as in $expected"
