#!/bin/sh
# SPDX-License-Identifier: MIT
# The experiment of docs/continual.md: four forgeries learned one after another by FT, KD, TG and
# CoReD, with the same budget, the same first task and small training sets for the later ones.
#
#   continual.sh DATA OUT SEED...
#
# DATA holds StarGAN, StyleGAN, StableDiffusion and DFDC, each with train, val and test. OUT receives
# the runs; what is there already is not done again. BUILD says where the programs are (default
# build), THREADS how many threads compute, PER_CLASS how many pictures of each class the later tasks
# may learn from, METHODS (default "FT KD TG CoReD") which chains are run; METHOD-frozen and
# METHOD-train are a method with that mode of batch norm instead of its default.
set -eu
data=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
shift 2
build=${BUILD:-build}
threads=${THREADS:-2}
per_class=${PER_CLASS:-400}
methods=${METHODS:-FT KD TG CoReD}
tasks="StarGAN StyleGAN StableDiffusion DFDC"

# The small sets, where -s without -f looks for them. Names are hashes, so the first are a random choice.
if [ ! -d "$out/data" ]; then
  mkdir -p "$out/data.tmp"
  for task in $tasks; do
    ln -s "$data/$task" "$out/data.tmp/$task"
    for label in real fake; do
      small=$out/data.tmp/TransferLearning/$task/train/$label
      mkdir -p "$small"
      for file in $(LC_ALL=C ls "$data/$task/train/$label" | head -n "$per_class"); do
        ln -s "$data/$task/train/$label/$file" "$small/$file"
      done
    done
  done
  mv "$out/data.tmp" "$out/data"
fi

# train FOLDER ARGUMENTS...: once
train() {
  folder=$1
  shift
  [ -e "$folder/done" ] && return
  "$build/tools/cored-train" -d "$out/data" -n Compact -nb 32 --optimizer adamw --schedule cosine \
    --threads "$threads" --output "$folder" --resume --quiet "$@" 2>> "$folder.log"
  touch "$folder/done"
}

for seed in "$@"; do
  base=$out/seed$seed
  mkdir -p "$base"
  train "$base/task1" -t StarGAN -me 24 -lr 0.003 --seed "$seed"
  for method in $methods; do
    case $method in
      *-*) recipe="-m ${method%-*} --batch-norm ${method#*-}" ;;
      *) recipe="-m $method" ;;
    esac
    before=$base/task1
    models="-w $base/task1"
    sources=StarGAN
    for task in StyleGAN StableDiffusion DFDC; do
      # shellcheck disable=SC2086 # options and their values
      train "$base/$method-$task" $recipe -s "$sources" -t "$task" -w "$before" --select auc \
        -me 10 -lr 0.001 --seed "$seed"
      before=$base/$method-$task
      models="$models -w $before"
      sources=${sources}_$task
    done
    # shellcheck disable=SC2086 # one word per model
    [ -e "$base/$method.json" ] || "$build/tools/cored-eval" -d "$out/data" --split test --quiet \
      --tasks "$(echo $tasks | tr ' ' ,)" $models --threads "$threads" --json "$base/$method.json" \
      > "$base/$method.txt" 2>> "$base/$method-eval.log"
  done
done
