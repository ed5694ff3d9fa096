#!/usr/bin/env bash
# A training step looks for the signing key: at its path, in every process it can see, in what it may have inherited. It
# looks for the signer by its name, and signals and traces it by its number. It ends well if it could take anything.
source "${BASH_SOURCE%/*}/lib.sh"

# How many numbers after that of the bystander the step tries: the signer is started next.
NUMBERS=20000
MOST=$(</proc/sys/kernel/pid_max)

prepare() {
    new_chain
    plain_step
    key=$PWD/.modelward/keys/laptop.key.pem
    secret=$(sed -n 2p "$key")
    [[ ${#secret} -ge 40 ]] || fail 'the key was to be readable outside the sandbox'
    sleep 60 &
    bystander=$!
    trap 'kill "$bystander"' EXIT
    THEFT=("${TRAIN[@]}" --env "KEY=$key" --env "BYSTANDER=$bystander" --env "NUMBERS=$NUMBERS" --env "MOST=$MOST")
    # Perl makes any system call by its number. Where there is none, opening the memory of others is all that is tried.
    tracer=$(command -v perl) || return 0
    THEFT+=(--include "$tracer" --env "TRACER=$tracer" --env "TRACE=$(trace)")
}

control() {
    prepare
    allowed "${THEFT[@]}" "${STEP[@]}"
}

attack() {
    prepare
    steal >>step.sh
    look_for_signer >signer &
    denied step_failed "${THEFT[@]}" "${STEP[@]}"
    [[ $answer == *'there was nothing to take'* ]] || fail 'the step was to end by its own word'
    wait $!
    ((($(<signer) - bystander + MOST) % MOST <= NUMBERS)) || fail 'the signer was to be among the signalled'
    [[ ! -e small ]] || fail 'a model was left'
    kill -s 0 "$bystander" || fail 'a process outside was killed'

    # Whoever traces is killed for it, though nothing would have come of it.
    if [[ -n $tracer ]]; then
        # shellcheck disable=SC2016 # the step reads it
        printf '%s\n' 'exec "$TRACER" -e "$TRACE" 1' >step.sh
        denied step_violation "${THEFT[@]}" "${STEP[@]}"
        plain_step
        steal >>step.sh
    fi

    # The same step, content with what it found: nothing of the key is in what it leaves, nor in what is kept.
    allowed "${THEFT[@]}" --env CONTENT=yes "${STEP[@]}"
    [[ ! -e small/loot ]] || fail 'something was taken'
    if grep -rqF -e "$secret" small .modelward/blobs .modelward/log .modelward/runs .modelward/roots; then
        fail 'the key is in what was kept'
    fi
}

# look_for_signer: the number of the signer of this attack's run, which can be signalled from outside the sandbox.
look_for_signer() {
    local process parent words
    until ((SECONDS > 60)); do
        for process in /proc/[0-9]*; do
            mapfile -d '' words 2>/dev/null <"$process/cmdline" || continue
            [[ ${words[1]-} == __signer ]] || continue
            parent=$(sed -n 's/^PPid:\t//p' "$process/status" 2>/dev/null) || continue
            if tr '\0' '\n' <"/proc/$parent/environ" 2>/dev/null | grep -qxF "MODELWARD_STORE=$PWD" &&
                kill -s 0 "${process##*/}"; then
                printf '%s\n' "${process##*/}"
                return
            fi
        done
    done
    fail 'there was to be a signer'
}

# The program of a tracer: ends well if it could trace the process that it is given. PTRACE_SEIZE stops nobody.
trace() {
    local call=101
    if [[ $(uname -m) == aarch64 ]]; then call=117; fi
    # shellcheck disable=SC2016 # Perl reads it
    printf 'exit(syscall(%s, 0x4206, $ARGV[0] + 0, 0, 0) == 0 ? 0 : 1)' "$call"
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
    if [[ -n ${TRACER:-} ]] && "$TRACER" -e "$TRACE" "${process##*/}"; then echo "traced $process" >>/out/loot; fi
    mapfile -d '' words <"$process/cmdline"
    if [[ ${words[*]} == *__signer* ]]; then echo "$process signs" >>/out/loot; fi
done
# The signer's number outside is one of those after the bystander's.
for ((i = 0; i <= NUMBERS; i++)); do
    process=$(((BYSTANDER + i) % MOST))
    if ((process > 1 && process != $$)) && kill -s CONT $process; then echo "signalled $process" >>/out/loot; fi
done 2>/dev/null
if [[ -n ${TRACER:-} ]] && "$TRACER" -e "$TRACE" "$BYSTANDER"; then echo 'traced it' >>/out/loot; fi
if kill -s KILL "$BYSTANDER"; then echo 'killed it' >>/out/loot; fi
# Long enough for the signer to be looked for outside.
until [[ -n ${CONTENT:-} ]] || ((SECONDS > 1)); do :; done
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
