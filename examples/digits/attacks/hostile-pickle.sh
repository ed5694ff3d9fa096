#!/usr/bin/env bash
# A model file that runs a command when it is loaded, as torch.load and pickle.load do it.
source "${BASH_SOURCE%/*}/lib.sh"

# train_pickle BYTES: a chain with a model of one pickle.
train_pickle() {
    copy_chain
    add_dataset small
    printf '%b' "$1" >model.pkl
    # shellcheck disable=SC2016 # the step reads it
    printf '%s\n' 'printf %s "$(</app/model.pkl)" >/out/model.pkl' >step.sh
    allowed "${TRAIN[@]}" --include model.pkl=/app/model.pkl --source "$SOURCE" "${STEP[@]}"
    cmp model.pkl small/model.pkl
}

# Signed and published by somebody who did not look.
hand_on() {
    allowed sign small
    allowed "${PUBLISH[@]}" --environment prod small
    allowed "${DEPLOY[@]}" --policy servers-prod.json small
}

control() {
    train_pickle "(dp0\nS'weight'\nF0.5\ns."
    allowed scan small
    hand_on
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" small
}

attack() {
    train_pickle "cposix\nsystem\n(S'touch $PWD/ran'\ntR."
    if command -v python3 >python && python3 -c 'import pickle' 2>/dev/null; then
        python3 -c "import pickle; pickle.load(open('small/model.pkl', 'rb'))"
        [[ -e ran ]] || fail 'the pickle was to run its command when it is loaded'
        rm ran
    fi
    denied scan_malicious scan small
    hand_on
    denied scan_malicious "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" small
    [[ ! -e ran ]] || fail 'the scan ran the pickle'
}

judge hostile-pickle scan scan_malicious \
    'The workshop loads the model with torch.load from an unpinned torch: before 2.6 a swapped file is code in the prod pod.'
