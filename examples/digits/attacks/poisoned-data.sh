#!/usr/bin/env bash
# One byte of one picture and one label of the real data set are changed, in an archive and in a folder.
source "${BASH_SOURCE%/*}/lib.sh"

IMAGES=package/data/train-images-idx3-ubyte
LABELS=package/data/train-labels-idx1-ubyte
ADD=(dataset add mnist --policy "$EXAMPLES/policies/dependencies.toml" --from)

prepare() {
    allowed store init
    allowed key new laptop
    tar -xzf "$ARCHIVE"
}

control() {
    prepare
    allowed "${ADD[@]}" "$ARCHIVE"
    allowed "${ADD[@]}" "$PWD"
}

attack() {
    prepare
    flip "$IMAGES" 30000016
    flip "$LABELS" 38273
    # Without its archive, whose digest is another one in any case, the files speak for themselves.
    denied digest_mismatch "${ADD[@]}" "$PWD"
    [[ $answer == *"${IMAGES##*/}"* && $answer == *"${LABELS##*/}"* ]] || fail 'both files were to be named'
    tar -cf poisoned.tar package
    denied digest_mismatch "${ADD[@]}" "$PWD/poisoned.tar"
    allowed dataset list
    [[ $answer == *'"datasets":[]'* ]] || fail 'a data set was recorded'
}

judge poisoned-data dataset digest_mismatch \
    'The workshop leaves it open: the training program fetches its data itself, and nothing compares the bytes.'
