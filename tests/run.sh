#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install what is missing from Debian, build, run every test suite but `slow`.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/../pipelines/lib.sh"

usage() {
  cat <<TXT
Usage: tests/run.sh [--no-install] [--build DIR] [--without SUITE]... [-D OPTION=VALUE]... [SUITE...]

On a Debian 12 or 13 machine: installs the packages of tests/packages.txt that are missing (with
apt-get, through sudo when not root), configures and builds in build/ and runs the named test
suites, or all but "slow". The packages safetensors and onnxruntime come from PyPI, into
build-python/. The last line reads "N passed, N failed, N skipped".

  --no-install      install nothing
  --build DIR       build there instead of in build/
  --without SUITE   leave that suite out as well
  -D OPTION=VALUE   handed to meson
With CI set in the environment warnings are errors.
Exit status: 0 all passed or were skipped, 1 a test failed or nothing could be built, 2 usage.
TXT
}

install=yes
build=$cored_root/build
options=(-Dtests=true)
[ -z "${CI:-}" ] || options+=(-Dwerror=true)
suites=()
without=(slow)
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --no-install) install=no ;;
    --build) [ $# -gt 1 ] || usage_error "--build needs a folder"; build=$2; shift ;;
    --without) [ $# -gt 1 ] || usage_error "--without needs a suite"; without+=("$2"); shift ;;
    -D) [ $# -gt 1 ] || usage_error "-D needs OPTION=VALUE"; options+=("-D$2"); shift ;;
    -D*) options+=("$1") ;;
    -*) usage_error "unknown option $1" ;;
    *) suites+=("$1") ;;
  esac
  shift
done
case $build in /*) ;; *) build=$PWD/$build ;; esac
# What only PyPI has, in a virtual environment that sees the system's modules. Without it the tests
# that need it skip themselves.
prepare_python() {
  local dir=$cored_root/build-python package name
  for package in 'safetensors>=0.4,<1' 'onnxruntime>=1.17,<2'; do
    name=${package%%>*}
    "$dir/bin/python3" -c "import $name" 2>/dev/null && continue
    say "$name from PyPI into ${dir#"$cored_root"/}"
    { /usr/bin/python3 -m venv --system-site-packages "$dir" &&
      timeout 300 "$dir/bin/pip" install -q --disable-pip-version-check --retries 1 --timeout 20 \
        "$package"; } >&2 || say "PyPI is out of reach or has no $name: its tests will be skipped"
  done
}

[ $install = no ] || { install_packages all && prepare_python; }
build_tree "$build" "${options[@]}"

chosen=("${without[@]/#/--no-suite=}")
[ ${#suites[@]} -eq 0 ] || chosen=("${suites[@]/#/--suite=}")
results=$build/meson-logs/testlog.json
rm -f "$results"
say "testing"
# Limits are for a machine of its own; this one may be busy, or the build sanitized. Many tests wait (for
# frames that come in time, for changes of files): one more of them than there are processors.
meson test -C "$build" --no-rebuild --num-processes $(($(nproc) + 1)) --print-errorlogs --timeout-multiplier 6 "${chosen[@]}"
status=$?
[ -s "$results" ] || die "meson ran no test"

# One JSON object per test; quotes inside its strings are escaped, so the pattern is unambiguous.
count() { grep -cE "\"result\": \"($1)\"" "$results"; }
passed=$(count 'OK|EXPECTEDFAIL')
skipped=$(count 'SKIP|IGNORED')
failed=$(($(wc -l <"$results") - passed - skipped))
if [ "$skipped" -gt 0 ]; then
  say "skipped: $(grep -E '"result": "SKIP"' "$results" | sed -E 's/.*"name": "([^"]*)".*/\1/' | tr '\n' ' ')"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$status" = 0 ] && [ "$failed" = 0 ]
