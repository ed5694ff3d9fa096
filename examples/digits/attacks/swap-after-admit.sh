#!/usr/bin/env bash
# After a model was admitted, its file is replaced by another valid one, again and again while the server starts.
source "${BASH_SOURCE%/*}/lib.sh"

STARTS=20

prepare() {
    copy_chain
    allowed verify digits
    admitted=$(field model)
    # As valid, and it answers otherwise: the last weights are twelve.
    cp digits/model.safetensors good
    cp good other
    printf 'AAAAAAAAAAAAAAAA' | dd of=other bs=1 seek=$(($(stat -c %s good) - 16)) conv=notrunc status=none
}

# swapping COMMAND…: does it while the file is replaced by another one again and again, and back.
swapping() {
    # It ends by itself: what a killed shell had just started would still replace the file.
    until [[ -e enough ]]; do
        { ln -f other next && mv -f next digits/model.safetensors; } || break
        { ln -f good next && mv -f next digits/model.safetensors; } || break
    done &
    swapper=$!
    trap 'touch enough; stop_server' EXIT
    "$@"
    touch enough
    wait "$swapper"
    rm enough
    trap 'stop_server' EXIT
}

# What the server says of itself, and what it makes of a grey picture.
ask_server() {
    http GET /v2/models/digits
    [[ $response == 'HTTP/1.1 200'* ]] || fail 'the server was to answer'
    local pixels
    pixels=$(printf '0.5,%.0s' {1..784})
    http POST /v2/models/digits/infer \
        '{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"data":['"${pixels%,}"']}]}'
    [[ $(served_digest) == "$admitted" ]] || fail "a model was served that was not admitted: $response"
    [[ $response == 'HTTP/1.1 200'* && $response == *'"outputs":'* ]] || fail "it was to infer: $response"
    outputs=${response#*'"outputs":'}
}

# The file is replaced as often, by one with the same bytes.
control() {
    prepare
    cp good other
    swapping start_again_and_again
    serve_while_replaced
    allowed_to_serve digits
}

attack() {
    prepare
    swapping start_and_look
    serve_while_replaced
    denied_to_serve admission_missing digits
}

start_again_and_again() {
    local start
    for ((start = 0; start < STARTS; start++)); do
        start_server digits || fail 'a copy was to be served'
        ask_server
        if [[ $start == 0 ]]; then printf '%s\n' "$outputs" >"$WORK/outputs"; fi
        as_admitted
        stop_server
    done
}

start_and_look() {
    local starts=0 served=0
    while ((starts < STARTS || (served == 0 || served == starts) && starts < 5 * STARTS)); do
        starts=$((starts + 1))
        if start_server digits; then
            served=$((served + 1))
            ask_server
            as_admitted
            stop_server
        else
            keep_reason admission_missing
        fi
    done
    printf '%s starts, %s on the admitted model, %s refused\n' "$starts" "$served" "$((starts - served))"
    ((served < starts)) || fail 'no start was refused, and so nothing was tried'
}

# While it is served, the file may be whatever it is: what was sealed answers.
serve_while_replaced() {
    rm digits/model.safetensors
    cp good digits/model.safetensors
    start_server digits
    cp other digits/model.safetensors
    ask_server
    as_admitted
    stop_server
}

as_admitted() {
    [[ $outputs == "$(<"$WORK/outputs")" ]] || fail 'another model answered'
}

judge swap-after-admit serve admission_missing \
    'In the workshop and in KServe the server loads from a writable volume: whoever replaces the file after the check has replaced the model.'
