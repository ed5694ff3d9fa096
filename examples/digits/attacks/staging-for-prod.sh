#!/usr/bin/env bash
# A model that was published for staging alone is to be deployed in prod.
source "${BASH_SOURCE%/*}/lib.sh"

prepare() {
    new_chain
    plain_step
    allowed "${TRAIN[@]}" --source "$SOURCE" "${STEP[@]}"
    allowed "${PUBLISH[@]}" --environment staging small
}

control() {
    prepare
    allowed "${PUBLISH[@]}" --environment prod small
    # The second publication leaves the first in force.
    allowed "${DEPLOY[@]}" --policy servers-prod.json small
    allowed "${DEPLOY[@]}" --policy servers-staging.json small
    allowed log show
    [[ $(grep -o '"https://slsa.dev/publish/v0.1"' <<<"$answer" | wc -l) == 2 ]] || fail 'two publications were to stand in the log'
}

attack() {
    prepare
    denied environment_mismatch "${DEPLOY[@]}" --policy servers-prod.json small
}

judge staging-for-prod deploy environment_mismatch \
    'slsa-policy lets it pass once the key of the environment is misspelt; and publishing for prod deletes the one for staging.'
