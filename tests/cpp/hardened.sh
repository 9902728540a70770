#!/bin/sh
# hardened.sh READELF LIBRARY PREFIX: fails unless all addresses are bound at the start and read-only from then on, the
# stack cannot be executed, functions with arrays watch over theirs, and nothing but PREFIX... is exported.
readelf=$1 library=$2 prefix=$3 failed=0
fail() { echo "$library: $1"; failed=1; }
dynamic=$("$readelf" -dW "$library") || exit 1
segments=$("$readelf" -lW "$library") || exit 1
symbols=$("$readelf" --dyn-syms -W "$library") || exit 1
echo "$dynamic" | grep -q 'NOW' || fail "symbols are bound when they are first called"
echo "$segments" | grep -q 'GNU_RELRO' || fail "no part becomes read-only after relocation"
stack=$(echo "$segments" | awk '$1 == "GNU_STACK" { print $(NF - 1) }')
[ "$stack" = RW ] || fail "the stack is '$stack', not RW"
echo "$symbols" | grep -q 'UND __stack_chk_' || fail "no function watches over its stack"
exported=$(echo "$symbols" | awk '$1 ~ /^[0-9]+:$/ && $5 != "LOCAL" && $7 != "UND" { print $8 }')
echo "$exported" | grep -q "^$prefix" || fail "nothing called $prefix... is exported"
others=$(echo "$exported" | grep -v "^$prefix")
[ -z "$others" ] || fail "exported besides: $others"
exit $failed
