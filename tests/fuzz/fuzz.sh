#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh [SECONDS [TARGET]]: build fuzz-model (or fuzz-pth, fuzz-h5) with clang's libFuzzer, ASan
# and UBSan and let it run. Findings and the corpus stay in build-fuzz/; replay one with
# build/tests/fuzz/TARGET --replay.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
target=${2:-fuzz-model}
out=build-fuzz
corpus=$out/corpus-$target
mkdir -p "$corpus"
sources=(engine/error.c engine/model/*.c engine/layers/*.c engine/networks/*.c tests/fuzz/no-session.c
         "tests/fuzz/$target.c")
# shellcheck disable=SC2054 # commas belong to the sanitizers' option
flags=(-std=gnu11 -D_GNU_SOURCE -g -O1 -I. -Iengine -Itests/fuzz
       '-fsanitize=address,undefined' -fno-sanitize-recover=undefined)
libraries=(-lsodium -lm -lpthread)
if [ "$target" != fuzz-model ]; then
  sources+=(tools/convert/*.c tests/fuzz/pth-seed.c)
  read -r -a hdf5 <<<"$(pkg-config --cflags --libs hdf5)"
  flags+=(-DCORED_HAVE_HDF5)
  libraries+=("${hdf5[@]}" -lz -ljansson)
fi
clang "${flags[@]}" -o "$out/seeds-$target" tests/fuzz/fuzz-main.c "${sources[@]}" "${libraries[@]}"
clang "${flags[@]}" -fsanitize=fuzzer -o "$out/$target" "${sources[@]}" "${libraries[@]}"
"$out/seeds-$target" --seeds "$corpus"
exec "$out/$target" -max_total_time="$seconds" -malloc_limit_mb=64 -rss_limit_mb=512 -timeout=5 \
  -max_len=200000 -artifact_prefix="$out/" -print_final_stats=1 "$corpus"
