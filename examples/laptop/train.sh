#!/bin/sh
# A training step that needs nothing but a shell and awk: a fruit is what its measures are nearest to, on average.
#
# The nearest of the averages c is the largest of c·x − |c|²/2, so the model is one linear layer.
set -eu
data=$MODELWARD_INPUTS/fruit/fruit.csv

# First pass: the averages. Second pass: how many of these very fruits they name. Then the layer's numbers, each as the four
# bytes of a little-endian float, written for `printf`.
numbers=$(awk -F, -v claims="$MODELWARD_RESULTS/accuracy" '
    function bytes(x,    sign, exponent, fraction, at, text) {
        sign = x < 0; if (sign) x = -x
        if (x == 0) return "\\000\\000\\000\\000"
        for (exponent = 127; x >= 2; exponent++) x /= 2
        for (; x < 1; exponent--) x *= 2
        fraction = int((x - 1) * 8388608 + 0.5) + exponent * 8388608 + sign * 2147483648
        for (at = 0; at < 4; at++) {
            text = text sprintf("\\%03o", fraction % 256)
            fraction = int(fraction / 256)
        }
        return text
    }
    function score(fruit) {
        return $1 * mean[fruit, 1] + $2 * mean[fruit, 2] + $3 * mean[fruit, 3] - half[fruit]
    }
    BEGIN { fruits = split("apple banana cherry", name, " ") }
    FNR == 1 { pass++; next }
    pass == 1 { count[$4]++; for (i = 1; i <= 3; i++) sum[$4, i] += $i; next }
    FNR == 2 {
        for (f = 1; f <= fruits; f++) for (i = 1; i <= 3; i++) {
            mean[f, i] = sum[name[f], i] / count[name[f]]
            half[f] += mean[f, i] * mean[f, i] / 2
        }
    }
    {
        best = 1
        for (f = 2; f <= fruits; f++) if (score(f) > score(best)) best = f
        right += name[best] == $4; all++
    }
    END {
        print right / all > claims
        for (f = 1; f <= fruits; f++) for (i = 1; i <= 3; i++) printf "%s", bytes(mean[f, i])
        for (f = 1; f <= fruits; f++) printf "%s", bytes(-half[f])
    }' "$data" "$data")

# A safetensors file: the header, its length in eight bytes before it, and the numbers.
header='{"weight":{"dtype":"F32","shape":[3,3],"data_offsets":[0,36]},"bias":{"dtype":"F32","shape":[3],"data_offsets":[36,48]}}'
{
    printf "\\$(printf '%03o' ${#header})\\000\\000\\000\\000\\000\\000\\000"
    printf '%s' "$header"
    printf "$numbers"
} > "$MODELWARD_OUTPUTS/model.safetensors"
awk '{ print }' "$MODELWARD_INPUTS/fruit/architecture.json" > "$MODELWARD_OUTPUTS/architecture.json"
read -r accuracy < "$MODELWARD_RESULTS/accuracy"
echo "accuracy on the data it learnt from: $accuracy"
