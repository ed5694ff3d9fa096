#!/usr/bin/env bash
# A model that was trained from a fork is to be published as the one of the policy's source.
source "${BASH_SOURCE%/*}/lib.sh"

train_from() {
    new_chain
    plain_step
    allowed "${TRAIN[@]}" --source "$1" "${STEP[@]}"
}

control() {
    train_from "$SOURCE"
    allowed "${PUBLISH[@]}" --environment prod small
}

attack() {
    train_from git+https://modelward.example/fork/modelward
    denied source_mismatch "${PUBLISH[@]}" --environment prod small
}

judge other-source publish source_mismatch \
    'slsa-policy compares it as well, for GitHub alone; the code that trains is attested, and the data and base model are not.'
