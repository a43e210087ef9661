#!/usr/bin/env bash
# The whole workflow, command by command: from a folder of logs to a compared model, a rollout and a card.
#
#   examples/workflow.sh LOGS [PROVIDER [MODEL [EPOCHS]]]
#
# Works in the current folder. Ids go from one command to the next: `upload` and `create` print nothing else.
set -euo pipefail
logs=$1
provider=${2:-local}
model=${3:-ngram-base}
epochs=${4:-3}
format=openai
validation=--validation-file
if [ "$provider" = vertex ]; then
  format=vertex
  validation=--validation
fi

# Week 1: data
fine-tuner-cc extract --logs "$logs" --output raw_data.jsonl --sample 5000
fine-tuner-cc analyze raw_data.jsonl --tokens
fine-tuner-cc review raw_data.jsonl --clean clean.jsonl
fine-tuner-cc harmonize clean.jsonl --output harmonized.jsonl
fine-tuner-cc redact harmonized.jsonl --output redacted.jsonl
fine-tuner-cc dedupe redacted.jsonl --near 0.9 --output deduped.jsonl
fine-tuner-cc convert deduped.jsonl --to "$format" --output training.jsonl
fine-tuner-cc validate training.jsonl --provider "$provider"
fine-tuner-cc sample training.jsonl --n 100 --stratify class
fine-tuner-cc split training.jsonl --train 80 --val 10 --test 10

# Week 2: training
fine-tuner-cc estimate training_train.jsonl --provider "$provider" --model "$model" --epochs "$epochs"
train=$(fine-tuner-cc upload training_train.jsonl --provider "$provider")
val=$(fine-tuner-cc upload training_val.jsonl --provider "$provider")
job=$(fine-tuner-cc create "$train" --provider "$provider" --model "$model" "$validation" "$val" --epochs "$epochs")
fine-tuner-cc wait "$job"
fine-tuner-cc status "$job"
fine-tuner-cc events "$job"
fine-tuner-cc checkpoints "$job"

# Week 3: evaluation
fine-tuner-cc evaluate "$job" training_test.jsonl
fine-tuner-cc compare "$provider:$model" "$job" training_test.jsonl

# Week 4: deployment
name=$(basename "$PWD" | tr -c 'A-Za-z0-9\n' '-')
fine-tuner-cc rollout start "$name" --base "$provider:$model" --tuned "$job"
fine-tuner-cc rollout shadow "$name" --rate 0.2
fine-tuner-cc rollout ramp "$name" --share 0.05
fine-tuner-cc rollout report "$name"
fine-tuner-cc rollout rollback "$name" --reason "the end of the example"
fine-tuner-cc monitor retirements "$name" || echo "a model retires soon"
fine-tuner-cc card "$job" --output card.md
fine-tuner-cc checklist || echo "boxes are open"
