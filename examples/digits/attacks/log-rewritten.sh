#!/usr/bin/env bash
# Somebody who can write to the log changes its lines, drops some, or puts back what it was before.
source "${BASH_SOURCE%/*}/lib.sh"

LOG=.modelward/log
# What the log has of each checkpoint: name, size, root, nothing, signature, nothing.
CHECKPOINT_LINES=6

control() {
    copy_chain
    allowed log verify
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
    # A head that was signed and not put in place is what a killed writer leaves: it is put in place, and no line is lost.
    local lines
    lines=$(log_lines)
    put_back_a_checkpoint 1
    allowed "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
    [[ $(log_lines) -ge $lines ]] || fail 'a line was lost'
}

attack() {
    # Lines, and the hashes over them.
    refused flip "$(newest entries)" 300
    refused flip "$(newest 0)" 40
    refused truncate -s -1 "$(newest entries)"
    refused truncate -s -32 "$(newest 0)"
    refused rm "$(newest entries)"
    # The signed head: another root, another size, another signature, the one before it, none.
    refused sed -i '3s/^\(.\)\(.\)/\2\1/' $LOG/checkpoint
    refused sed -i '2s/.*/1/' $LOG/checkpoint
    refused sed -i '5s/...=$/AAA=/' $LOG/checkpoint
    refused put_back_a_checkpoint 2
    refused put_back_a_checkpoint 5
    refused rm $LOG/checkpoint
    # What remembers the heads.
    refused forget_the_last_checkpoint
    refused sed -i "$((CHECKPOINT_LINES + 3))s/^\\(.\\)\\(.\\)/\\2\\1/" $LOG/checkpoints
    undo_a_recall
}

# The whole log as it once was is in order by itself. The store's index knows that there was more.
undo_a_recall() {
    rm -rf .modelward digits digits.sig
    copy_chain
    cp -a $LOG earlier
    allowed recall dataset mnist --reason 'labels were changed'
    rm -r $LOG
    mv earlier $LOG
    denied log_rolled_back "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
    # Without the index nobody counts the lines; the recall itself is still there, and counts on.
    rm .modelward/index.sqlite*
    denied recalled "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
}

# refused COMMAND…: a copy of the chain, its log rewritten by the command, is refused by the gates.
refused() {
    rm -rf .modelward digits digits.sig
    copy_chain
    printf '\n-- %s\n' "$*"
    "$@"
    denied_to_serve log_inconsistent digits
    denied log_inconsistent "${ADMIT[@]}" --service-account "$SERVICE_ACCOUNT" digits
}

# newest KIND: where the copy's newest lines, or hashes, will be.
newest() {
    local path
    path=$(cd "$DEMO" && printf '%s\n' "$LOG/tile/$1"/*.p/* | sort -V | tail -n 1)
    printf '%s\n' "$path"
}

# put_back_a_checkpoint COUNT: the one that was the last so many lines ago.
put_back_a_checkpoint() {
    tail -n $((($1 + 1) * CHECKPOINT_LINES)) $LOG/checkpoints | head -n $((CHECKPOINT_LINES - 1)) >before
    mv before $LOG/checkpoint
}

forget_the_last_checkpoint() {
    head -n -$CHECKPOINT_LINES $LOG/checkpoints >before
    mv before $LOG/checkpoints
}

judge log-rewritten admit log_inconsistent \
    'Rekor is append-only, and nobody in the workshop asks it whether it still says what it said: its attestations lie in the registry, where publishing anew drops the old.'
