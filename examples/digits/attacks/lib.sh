# shellcheck shell=bash
# What the attacks share. Each attack is a script that reads this file, defines `control` and `attack`, and ends with
# `judge`. Both run the same steps, each in an empty folder of its own; the control leaves the attack out.
#
# From outside: MODELWARD (the program), DEMO (a folder with a finished chain, only read), EXAMPLES (the folder
# examples/digits), ARCHIVE (its data set as it was fetched), WORK (an empty folder: all that is written goes there),
# PACKAGE and SERVICE_ACCOUNT (what the chain's model is published as, and as whom it runs).
#
# On standard output: one line of JSON. Exit status 0: the attack was refused by the right gate with the right code, and
# the control was allowed.

set -eu
export LC_ALL=C
unset MODELWARD_SETTINGS MODELWARD_ENVIRONMENT MODELWARD_SERVICE_ACCOUNT MODELWARD_PACKAGE
# Standard output is for the verdict alone.
exec 3>&1 >&2

# judge NAME GATE CODE TODAY: runs control and attack and prints what came of them. TODAY is what today's tools do.
judge() {
    local ended control_allowed=false refused=false says='it was not refused'
    # Where a status is asked for, `set -e` sleeps in all that runs; so none is asked for until it has run.
    set +e
    play control
    ended=$?
    if [[ $ended == 0 ]]; then control_allowed=true; fi
    play attack
    ended=$?
    if [[ $ended == 0 ]]; then refused=true says=$(<"$WORK/attack/says"); fi
    printf '{"name":"%s","gate":"%s","code":"%s","refused":%s,"control_allowed":%s,"says":"%s","today":"%s"}\n' \
        "$1" "$2" "$3" "$refused" "$control_allowed" "$says" "$4" >&3
    [[ $control_allowed == true && $refused == true ]]
}

# In a shell of its own, which ends at the first thing that is not as it should be, and ends the server it started.
play() (
    exec 3>&-
    set -e
    printf '\n== %s\n' "$1"
    mkdir "$WORK/$1"
    cd "$WORK/$1"
    export MODELWARD_STORE=$PWD
    trap 'stop_server' EXIT
    "$1"
)

fail() {
    printf 'FAILED: %s\n' "$1"
    exit 1
}

# ask WORD…: runs modelward. Its JSON is then in `answer`, its exit status in `status`.
ask() {
    status=0
    answer=$("$MODELWARD" --json "$@" </dev/null) || status=$?
    printf '$ modelward %s\n[%s] %s\n' "$*" "$status" "$answer"
}

# allowed WORD…: the answer must be yes.
allowed() {
    ask "$@"
    [[ $status == 0 && $answer == *'"result":"allowed"'* ]] || fail 'this was to be allowed'
}

# denied CODE WORD…: the answer must be no, with CODE among its reasons.
denied() {
    ask "${@:2}"
    [[ $status == 1 && $answer == *'"result":"denied"'* ]] || fail 'this was to be denied'
    keep_reason "$1"
}

# keep_reason CODE: the last answer must have it. What the first such answer says is for the verdict.
keep_reason() {
    local says
    says=$(reason "$1") || fail "the code was to be $1"
    [[ -e says ]] || printf '%s\n' "$says" >says
}

# reason CODE: what the last answer's first reason with this code says, as a JSON string without its quotes.
reason() {
    local message='"code":"'$1'","message":"(([^"\\]|\\.)*)"'
    [[ $answer =~ $message ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# field NAME: the text of the first member of the last answer with this name.
field() {
    [[ $answer =~ \"$1\":\"([^\"]*)\" ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# log_lines: how many lines the log has.
log_lines() {
    "$MODELWARD" --json log verify | sed 's/.*"size":\([0-9]*\).*/\1/'
}

# copy_chain: the finished chain's store, and the model `digits` with its signature. Blobs are linked, since none is
# ever written to: they are named by their digest.
copy_chain() {
    mkdir .modelward
    local part
    for part in "$DEMO"/.modelward/*; do
        if [[ $part == */blobs ]] && cp -al "$part" .modelward/ 2>/dev/null; then continue; fi
        cp -a "$part" .modelward/
    done
    cp -a "$DEMO/out/digits" "$DEMO/out/digits.sig" .
}

# new_chain: an empty store, a key for everything, and a data set of one short file.
new_chain() {
    allowed store init
    allowed key new laptop
    add_dataset small
}

# add_dataset NAME: makes a data set of one line, and adds it by a policy that names its bytes.
add_dataset() {
    mkdir -p "data/$1"
    printf 'the data set %s\n' "$1" >"data/$1/lines.txt"
    cat >"$1.toml" <<END
format = "modelward-dependency-policy/v1"
allowed_licences = ["CC0-1.0"]
allowed_purposes = ["train"]

[[dataset]]
name = "$1"
source = "file:data/$1"
licence = "CC0-1.0"
purposes = ["train"]

[[dataset.file]]
name = "lines.txt"
path = "lines.txt"
digest = "sha256:$(sha256sum "data/$1/lines.txt" | cut -d ' ' -f 1)"
size_bytes = $(stat -c %s "data/$1/lines.txt")
END
    allowed dataset add "$1" --policy "$1.toml"
}

# plain_step: writes `step.sh`, a training step whose model is one number, well-formed to its last byte.
plain_step() {
    cat >step.sh <<'END'
header='{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  '
printf '\x38\0\0\0\0\0\0\0%s\0\0\x80\x3f' "$header" >/out/model.safetensors
END
}

# The words of some commands, to be said after `allowed` or `denied CODE`. TRAIN is followed by more of them or not, then
# by STEP, which is `step.sh` in the sandbox.
# shellcheck disable=SC2034 # each attack uses some
{
    SOURCE=git+https://modelward.dev/source/modelward
    TRAIN=(train --input small --name small --to small --wall 60 --include "step.sh=/app/step.sh")
    STEP=(-- bash /app/step.sh)
    PUBLISH=(publish --package "$PACKAGE" --policies "$EXAMPLES/policies/publish")
    DEPLOY=(deploy --package "$PACKAGE" --policies "$EXAMPLES/policies/deployment")
    ADMIT=(admit --package "$PACKAGE" --environment prod)
}

# flip FILE OFFSET: turns all bits of one byte around, and leaves size and times as they were.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    touch -r "$1" times
    # shellcheck disable=SC2059 # the byte is written as an escape
    printf "$(printf '\\%03o' $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
    touch -r times "$1"
}

# start_server MODEL [ACCOUNT]: serves it. `server` is then its process, `address` where it listens; status 1 if it
# refused, and `answer` says why.
start_server() {
    local words=(serve --http 127.0.0.1:0 --environment prod --service-account "${2-$SERVICE_ACCOUNT}" "$1")
    exec 4< <(exec "$MODELWARD" --json "${words[@]}" </dev/null)
    server=$!
    read -r answer <&4 || fail 'the server ended without a word'
    printf '$ modelward %s\n%s\n' "${words[*]}" "$answer"
    if address=$(field address); then return 0; fi
    stop_server
    return 1
}

# allowed_to_serve MODEL [ACCOUNT]: a server must start with it, be ready, and stop.
allowed_to_serve() {
    start_server "$@" || fail 'this was to be served'
    http GET /v2/health/ready
    [[ $response == 'HTTP/1.1 200'* ]] || fail 'the server was to be ready'
    stop_server
}

# denied_to_serve CODE MODEL [ACCOUNT]: as `denied`, of a server.
denied_to_serve() {
    if start_server "${@:2}"; then fail 'this was not to be served'; fi
    keep_reason "$1"
}

stop_server() {
    if [[ -z ${server:-} ]]; then return 0; fi
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
    exec 4<&-
}

# http METHOD PATH [BODY]: asks the server. `response` is all of its answer.
http() {
    local body=${3-}
    exec 5<>"/dev/tcp/${address%:*}/${address##*:}"
    printf '%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %s\r\n\r\n%s' \
        "$1" "$2" "$address" "${#body}" "$body" >&5
    response=$(cat <&5)
    exec 5<&-
}

# served_digest: the digest of the model that gave the last response.
served_digest() {
    [[ $response =~ modelward-model-digest:\ (sha256:[0-9a-f]*) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}
