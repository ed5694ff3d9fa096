#!/usr/bin/env bash
# The trust root's time is over, and somebody goes on with it.
source "${BASH_SOURCE%/*}/lib.sh"

control() {
    copy_chain
    allowed key set --root-valid-from 2020-01-01T00:00:00Z --root-expires "$(date -u -d tomorrow +%FT%TZ)"
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
    allowed_to_serve digits
    allowed "${PUBLISH[@]}" --environment prod digits
    allowed verify digits
}

attack() {
    copy_chain
    allowed key set --root-valid-from 2020-01-01T00:00:00Z --root-expires 2021-01-01T00:00:00Z
    denied root_expired "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
    denied_to_serve root_expired digits
    denied root_expired "${PUBLISH[@]}" --environment prod digits
    denied root_expired verify digits
}

judge expired-root verify root_expired \
    'Nothing in the workshop looks at time: the check of creationTime is a TODO in slsa-policy and in the Kyverno policy.'
