#!/usr/bin/env bash
# A model file that runs a command when it is loaded, as torch.load and pickle.load do it.
source "${BASH_SOURCE%/*}/lib.sh"

# model BYTES: a model of one pickle.
model() {
    copy_chain
    mkdir hostile
    printf '%b' "$1" >hostile/model.pkl
}

control() {
    model "(dp0\nS'weight'\nF0.5\ns."
    allowed scan hostile
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
}

attack() {
    model "cposix\nsystem\n(S'touch $PWD/ran'\ntR."
    if command -v python3 >python && python3 -c 'import pickle' 2>/dev/null; then
        python3 -c "import pickle; pickle.load(open('hostile/model.pkl', 'rb'))"
        [[ -e ran ]] || fail 'the pickle was to run its command when it is loaded'
        rm ran
    fi
    denied scan_malicious scan hostile
    # Signed by somebody who did not look, it is still not let in.
    allowed sign hostile
    denied scan_malicious "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" hostile
    [[ ! -e ran ]] || fail 'the scan ran the pickle'
}

judge hostile-pickle scan scan_malicious \
    'The workshop loads the model with torch.load from an unpinned torch: before 2.6 a swapped file is code in the prod pod.'
