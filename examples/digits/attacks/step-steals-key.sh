#!/usr/bin/env bash
# A training step looks for the signing key: at its path, in every process it can see, in what it may have inherited; and
# it signals others. It ends well if it could take anything.
source "${BASH_SOURCE%/*}/lib.sh"

prepare() {
    new_chain
    plain_step
    key=$PWD/.modelward/keys/laptop.key.pem
    secret=$(sed -n 2p "$key")
    [[ ${#secret} -ge 40 ]] || fail 'the key was to be readable outside the sandbox'
    sleep 60 &
    bystander=$!
    trap 'kill "$bystander"' EXIT
}

control() {
    prepare
    allowed "${TRAIN[@]}" --env "KEY=$key" "${STEP[@]}"
}

attack() {
    prepare
    steal >>step.sh
    denied step_failed "${TRAIN[@]}" --env "KEY=$key" --env "BYSTANDER=$bystander" "${STEP[@]}"
    [[ $answer == *'there was nothing to take'* ]] || fail 'the step was to end by its own word'
    [[ ! -e small ]] || fail 'a model was left'
    kill -s 0 "$bystander" || fail 'a process outside was killed'

    # The same step, content with what it found: nothing of the key is in what it leaves, nor in what is kept.
    allowed "${TRAIN[@]}" --env "KEY=$key" --env CONTENT=yes "${STEP[@]}"
    [[ ! -e small/loot ]] || fail 'something was taken'
    if grep -rqF -e "$secret" small .modelward/blobs .modelward/log .modelward/runs .modelward/roots; then
        fail 'the key is in what was kept'
    fi
}

# The theft, as the step does it. Nothing but the bystander gets a real signal, should a sandbox ever leak.
steal() {
    cat <<'END'
shopt -s nullglob
take() {
    local bytes=
    { : <"$1"; } 2>/dev/null || return
    IFS= read -r -t 1 -d '' -n 4096 bytes 2>/dev/null <"$1"
    printf '%s: %s\n' "$1" "$bytes" >>/out/loot
}
# The key's file: by its path, and through every other root and folder that is in sight.
for root in '' /proc/*/root /proc/*/cwd; do take "$root$KEY"; done
# What runs beside this step; who may trace a process may open these.
for process in /proc/[0-9]*; do
    if [[ ${process##*/} == "$$" ]]; then continue; fi
    for part in environ mem maps auxv fd/*; do take "$process/$part"; done
    if [[ ${process##*/} != 1 ]] && kill -s 0 "${process##*/}"; then echo "$process" >>/out/loot; fi
done
if [[ -n ${BYSTANDER:-} ]] && kill -s KILL "$BYSTANDER"; then echo 'killed it' >>/out/loot; fi
# What was handed down: all but the three streams and this script.
for descriptor in /proc/$$/fd/*; do
    if [[ -e $descriptor && ${descriptor##*/} -gt 2 && ! $descriptor -ef /app/step.sh ]]; then take "$descriptor"; fi
done
if [[ -e /out/loot || -n ${CONTENT:-} ]]; then exit 0; fi
echo 'there was nothing to take' >&2
exit 1
END
}

judge step-steals-key train step_failed \
    'The workshop leaves it to GitHub: keyless signing runs in another job, while a key on the same runner is open to every step of it.'
