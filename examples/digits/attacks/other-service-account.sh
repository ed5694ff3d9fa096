#!/usr/bin/env bash
# A model that was deployed for one service account is to run as another.
source "${BASH_SOURCE%/*}/lib.sh"

control() {
    copy_chain
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
    allowed_to_serve digits "$SERVICE_ACCOUNT"
}

attack() {
    local account
    copy_chain
    for account in name@staging-project-id.iam.gserviceaccount.com "${SERVICE_ACCOUNT^^}" "$SERVICE_ACCOUNT " \
        "$SERVICE_ACCOUNT.example"; do
        denied scope_mismatch "${ADMIT[@]}" --service-account "$account" digits
    done
    denied_to_serve admission_missing digits name@staging-project-id.iam.gserviceaccount.com
}

judge other-service-account admit scope_mismatch \
    'In the workshop the account is an annotation, written by whoever submits the pod; and scopes that nobody knows are accepted.'
