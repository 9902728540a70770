#!/bin/sh
# no_weak_symbols.sh NM OBJECT... : fails if an object defines a weak (W, V) or unique (u) symbol.
nm=$1
shift
[ $# -gt 0 ] || { echo "no objects given"; exit 1; }
found=$("$nm" --defined-only "$@" | grep -E ' [WVu] ')
[ -z "$found" ] || { echo "weak symbols in kernel objects:"; echo "$found"; exit 1; }
