#!/usr/bin/env bash
# A model of a laptop is to be published where the policy asks for the workshop's builder on GitHub; and a key says it
# is a builder for which it may not speak.
source "${BASH_SOURCE%/*}/lib.sh"

GITHUB='https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v1.10.0'

control() {
    copy_chain
    allowed "${PUBLISH[@]}" --environment prod digits
    add_dataset small
    plain_step
    allowed "${TRAIN[@]}" --key laptop "${STEP[@]}"
}

attack() {
    copy_chain
    cp -r "$EXAMPLES/policies/publish" policies
    sed -i -e "s|\"id\": \".*\"|\"id\": \"$GITHUB\"|" -e 's|"slsa_level": 1|"slsa_level": 3|' policies/org.json
    local publish=(publish --package "$PACKAGE" --environment prod --policies policies digits)
    denied builder_mismatch "${publish[@]}"
    denied level_too_low "${publish[@]}"
    # The second way: a key for building, which may speak for another builder than the one that this machine is.
    allowed key new intruder --role build --speaks-for "$GITHUB"
    add_dataset small
    plain_step
    denied speaker_mismatch "${TRAIN[@]}" --key intruder "${STEP[@]}"
    [[ ! -e small ]] || fail 'a model was left'
}

judge other-builder publish builder_mismatch \
    'slsa-policy compares the builder as well, but its roots have no scope: a trusted builder may attest to anything of anybody.'
