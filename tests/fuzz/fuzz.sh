#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the fuzz targets with libFuzzer, ASan and UBSan, let them run and say what they reached.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  cat <<TXT
Usage: tests/fuzz/fuzz.sh [--seconds N] [--coverage] [TARGET...]

Runs each target (all by default, one after another) for N seconds (60) with clang's libFuzzer,
AddressSanitizer and UBSan, from its seeds and the corpus of earlier runs in build-fuzz/corpus/.
Findings end up in build-fuzz/findings/; build/tests/fuzz/fuzz-TARGET --replay FILE runs one again.
A line per target tells executions, edges reached, size of the corpus and findings.

  --seconds N   how long each target runs; a week over all 18 targets is 33000
  --coverage    afterwards replay the corpora in a build with gcov and list the lines reached
Exit status: 0 nothing was found, 1 something was, or the build failed, 2 usage.
TXT
}

seconds=60
coverage=no
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --seconds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "fuzz.sh: --seconds needs a number" >&2; exit 2; }
      seconds=$2
      shift
      ;;
    --coverage) coverage=yes ;;
    -*) echo "fuzz.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done

out=$PWD/build-fuzz
all=(tests/fuzz/fuzz-*.c)
all=("${all[@]#tests/fuzz/fuzz-}")
all=("${all[@]%.c}")
all=("${all[@]/main/}")
for target in "${targets[@]}"; do
  if [ "$target" = main ] || [ ! -f "tests/fuzz/fuzz-$target.c" ]; then
    echo "fuzz.sh: no target '$target'; there are: ${all[*]}" >&2
    exit 2
  fi
done

# build DIR MESON_OPTION...: the targets and nothing else; the log is shown when it fails.
build() {
  local dir=$1 log
  shift
  log=$(mktemp)
  if { [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"; } >"$log" 2>&1 &&
    ninja -C "$dir" fuzz >>"$log" 2>&1; then
    rm -f "$log"
    return
  fi
  tail -n 40 "$log" >&2
  rm -f "$log"
  exit 1
}

CC=clang build "$out" -Dfuzzing=true -Db_sanitize=address,undefined -Db_lundef=false \
  -Dc_args="-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined" -Dwerror=false
mkdir -p "$out/findings" "$out/corpus"
[ ${#targets[@]} -gt 0 ] || for program in "$out"/tests/fuzz/fuzz-*; do
  [ -x "$program" ] && [ -f "$program" ] && targets+=("${program##*/fuzz-}")
done

# Leaks that are libraries' and known are listed; the process that HDF5 runs in has limits of its own.
export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:allocator_may_return_null=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:suppressions=$PWD/tests/ubsan.supp

stat_of() { sed -nE "s/^stat::$1: *//p" "$2" | tail -n 1; }

found=0
printf '%-10s %12s %8s %8s %9s\n' target executions edges corpus findings
for target in "${targets[@]}"; do
  program=$out/tests/fuzz/fuzz-$target
  [ -x "$program" ] || { printf '%-10s not built here\n' "$target"; continue; }
  corpus=$out/corpus/$target
  log=$out/$target.log
  mkdir -p "$corpus"
  failed=0
  { "$program" --seeds "$corpus" &&
    "$program" -max_total_time="$seconds" -malloc_limit_mb=256 -rss_limit_mb=2048 -timeout=30 \
      -max_len=65536 -artifact_prefix="$out/findings/$target-" -print_final_stats=1 "$corpus"; } \
    >"$log" 2>&1 || failed=1
  found=$((found + failed))
  # A target that died before its first report has no figures; its log tells why.
  edges=$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$log" | tail -n 1)
  printf '%-10s %12s %8s %8s %9s\n' "$target" "$(stat_of number_of_executed_units "$log")" \
    "${edges:-?}" "$(find "$corpus" -type f | wc -l)" "$failed"
  [ $failed = 0 ] || tail -n 30 "$log" >&2
done

if [ $coverage = yes ]; then
  covered=$PWD/build-fuzz-coverage
  CC=gcc build "$covered" -Db_coverage=true -Doptimization=0 -Dwerror=false
  find "$covered" -name '*.gcda' -delete
  for target in "${targets[@]}"; do
    program=$covered/tests/fuzz/fuzz-$target
    [ -x "$program" ] || continue
    # In pieces, so that an input which ends the process costs only its piece.
    find "$out/corpus/$target" -type f -print0 |
      xargs -0 -n 500 "$program" --replay >/dev/null 2>&1 || true
  done
  echo
  echo "lines reached by these corpora:"
  find "$covered" -name '*.gcda' -not -path '*/tests/*' -print0 | xargs -0 -n 1 gcov -n 2>/dev/null |
    awk -F"'" '/^File /{file = $2} /^Lines executed/ && file != "" {
      split($0, part, /[:% ]+/); of = $0; sub(/.* of /, "", of)
      if (file ~ /(engine|tools|plugin)\// && of > n[file]) { n[file] = of; share[file] = part[3] }
      file = "" }
      END { for (f in n) { g = f; sub(/^(\.\.\/)+/, "", g); printf "%6.1f %%  %5d  %s\n", share[f], n[f], g } }' |
    sort -k4
fi
exit $((found > 0))
