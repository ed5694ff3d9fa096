#!/usr/bin/env bash
# A training step opens a connection to a server that is there, on this machine.
source "${BASH_SOURCE%/*}/lib.sh"

prepare() {
    copy_chain
    add_dataset small
    plain_step
    start_server digits
}

control() {
    prepare
    allowed "${TRAIN[@]}" "${STEP[@]}"
}

attack() {
    prepare
    printf 'exec 3<>/dev/tcp/%s/%s\n' "${address%:*}" "${address##*:}" >connect.sh
    bash connect.sh || fail 'the server was to be reached from outside the sandbox'
    cat connect.sh >>step.sh
    denied step_violation "${TRAIN[@]}" "${STEP[@]}"
    [[ ! -e small ]] || fail 'a model was left'
    # A step may overlook that its child was killed for it; then it goes on, and was connected to nothing.
    plain_step
    printf '(%s && echo yes >/out/connected)\nexit 0\n' "$(<connect.sh)" >>step.sh
    allowed "${TRAIN[@]}" "${STEP[@]}"
    [[ ! -e small/connected ]] || fail 'a child of the step was connected'
}

judge step-network train step_violation \
    'The workshop trains on a CI runner that reaches the whole internet; hermetic training is among what it names as next.'
