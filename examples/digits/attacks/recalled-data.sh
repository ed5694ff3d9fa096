#!/usr/bin/env bash
# A data set turns out to be bad, and somebody goes on with the model that was made of it.
source "${BASH_SOURCE%/*}/lib.sh"

SECONDS_MAX=5

# admit_other: a model that was made of another data set goes through all of the chain.
admit_other() {
    add_dataset small
    plain_step
    allowed "${TRAIN[@]}" --source "$SOURCE" "${STEP[@]}"
    allowed scan small
    allowed sign small
    allowed "${PUBLISH[@]}" --environment prod small
    allowed "${DEPLOY[@]}" --policy servers-prod.json small
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" small
}

control() {
    copy_chain
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
    start_server digits
    http GET /v2/health/ready
    [[ $response == 'HTTP/1.1 200'* ]] || fail 'the server was to be ready'
    admit_other
    # What was not made of it goes on.
    allowed recall dataset mnist --reason 'labels were changed'
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" small
}

attack() {
    copy_chain
    start_server digits
    allowed recall dataset mnist --reason 'labels were changed'
    local begun=$SECONDS
    until http GET /v2/health/ready && [[ $response == 'HTTP/1.1 503'* ]]; do
        ((SECONDS - begun <= SECONDS_MAX)) || fail 'the server goes on'
        sleep 0.1
    done
    http POST /v2/models/digits/infer '{"inputs":[]}'
    [[ $response == 'HTTP/1.1 503'* && $response == *'"recalled"'* ]] || fail "it was to say why: $response"
    stop_server
    denied_to_serve recalled digits
    denied recalled "${PUBLISH[@]}" --environment prod digits
    denied recalled "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
}

judge recalled-data admit recalled \
    'There is no time and no recall in the workshop: an attestation of two years ago admits, whatever became known since.'
