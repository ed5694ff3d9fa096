#!/usr/bin/env bash
# One byte of the signed model is changed; its size and times stay.
source "${BASH_SOURCE%/*}/lib.sh"

control() {
    copy_chain
    allowed verify digits
    allowed verify digits.sig
}

attack() {
    local file size
    copy_chain
    for file in digits/model.safetensors digits/architecture.json; do
        size=$(stat -c %s "$file")
        for offset in 0 $((size / 2)) $((size - 1)); do
            flip "$file" "$offset"
            denied digest_mismatch verify digits
            flip "$file" "$offset"
        done
        allowed verify digits
    done
}

judge one-byte verify digest_mismatch \
    'In the workshop nothing compares the model with its attestation, at admission or at load: a person may do it by hand with cosign.'
