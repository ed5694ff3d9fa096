#!/usr/bin/env bash
# A training step ends well and leaves a process behind that rewrites the model, once it was measured.
source "${BASH_SOURCE%/*}/lib.sh"

# prepare LINE: a step that leaves a model and then does this.
prepare() {
    [[ -e .modelward ]] || new_chain
    plain_step
    printf '%s\n' "$1" >>step.sh
}
SLOWLY='for ((i = 0; i < 20000; i++)); do :; done; printf rewritten >/out/late'

control() {
    prepare "($SLOWLY) & wait"
    allowed "${TRAIN[@]}" "${STEP[@]}"
    [[ $(<small/late) == rewritten ]] || fail 'what was waited for was to be in the model'
}

attack() {
    local lines
    for leave in \
        "(while :; do printf rewritten >/out/model.safetensors; done) &" \
        "( (trap '' HUP TERM; exec >/dev/null 2>&1 0<&1; while :; do printf rewritten >/out/model.safetensors; done) & )"; do
        prepare "$leave"
        lines=$(log_lines)
        denied step_left_processes "${TRAIN[@]}" "${STEP[@]}"
        [[ ! -e small ]] || fail 'a model was left'
        [[ $(log_lines) == "$lines" ]] || fail 'something was recorded'
    done
}

judge step-writes-after-exit train step_left_processes \
    'CI generators hash what the job uploads; that nothing of the step still runs is left to the runner, and the workshop leaves the moment of hashing to the author.'
