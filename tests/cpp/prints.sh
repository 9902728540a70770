# prints.sh FILE COMMAND...: the command must print what the file holds, with line ends of whatever kind.
set -eu
expected=$1
shift
"$@" | tr -d '\r' | diff "$expected" -
echo "the same neighbours as in $expected"
