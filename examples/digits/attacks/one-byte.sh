#!/usr/bin/env bash
# One byte of the signed model is changed; its size and times stay.
source "${BASH_SOURCE%/*}/lib.sh"

# at_each_place COMMAND…: does it at the begin, the middle and the end of each file, with the place as two words more.
at_each_place() {
    local file size offset
    copy_chain
    for file in digits/model.safetensors digits/architecture.json; do
        size=$(stat -c %s "$file")
        for offset in 0 $((size / 2)) $((size - 1)); do
            "$@" "$file" "$offset"
        done
    done
}

# The byte is written anew, and is what it was.
control() {
    at_each_place untouched
    allowed verify digits.sig
}

untouched() {
    flip "$@"
    flip "$@"
    allowed verify digits
}

attack() {
    at_each_place touched
}

touched() {
    flip "$@"
    denied digest_mismatch verify digits
    flip "$@"
}

judge one-byte verify digest_mismatch \
    'In the workshop nothing compares the model with its attestation, at admission or at load: a person may do it by hand with cosign.'
