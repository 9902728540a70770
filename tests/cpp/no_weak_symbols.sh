#!/bin/sh
# no_weak_symbols.sh NM OBJECT... : fails if an object defines a weak (W, V) or unique (u) symbol.
nm=$1
shift
symbols=$("$nm" --defined-only "$@") || exit 1
echo "$symbols" | grep -q ' T ' || { echo "no functions found in: $*"; exit 1; }
found=$(echo "$symbols" | grep -E ' [WVu] ')
[ -z "$found" ] || { echo "weak symbols in kernel objects:"; echo "$found"; exit 1; }
