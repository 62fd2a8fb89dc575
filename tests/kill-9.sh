#!/bin/sh
# Kills a dataset job at random moments and goes on with it, until it was killed KILLS times (1000) and then to its end; says whether
# the files are the same bytes as those of a job that nothing disturbed. Jobs that end before are counted and begun anew.
#   tests/kill-9.sh [KILLS] [FOLDER]       needs a build of src/Steer.Cli; STEER names another program
set -eu
kills=${1:-1000}
work=${2:-$(mktemp -d)}
root=$(cd "$(dirname "$0")/.." && pwd)
steer=${STEER:-$root/src/Steer.Cli/bin/Release/net10.0/steer}
[ -x "$steer" ] || { echo "kill-9.sh: no program at $steer: run dotnet build -c Release src/Steer.Cli" >&2; exit 2; }

# Replaces the shell that calls it, so that a kill of that shell's number is one of the program itself.
job() {
    exec "$steer" dataset --task astronomy --count 120 --round 24 --negatives 2 --max-tokens 12 --max-chars 60 --allow-unfinished --seed 5 --quiet --out "$1"
}

# The same bytes, or the end of the script.
compare() {
    for file in manifest.json examples.jsonl rejected.jsonl; do
        cmp "$work/undisturbed/$file" "$work/killed/$file" || { echo "kill-9.sh: $file differs after $done kills; both are in $work" >&2; exit 1; }
    done
}

# Kills come at moments from before the folder is made to past the end, in milliseconds up to a bound that follows the machine: a run that ended by itself lowers
# it to the time that it was given, and each kill raises it by a twentieth.
began=$(date +%s%N)
(job "$work/undisturbed")
bound=$((($(date +%s%N) - began) / 1000000))
done=0
jobs=0
while [ "$done" -lt "$kills" ]; do
    job "$work/killed" &
    process=$!
    moment=$(awk -v seed="$((done + jobs * 7919))" -v bound="$bound" 'BEGIN { srand(seed); printf "%d", bound * (0.05 + 0.95 * rand()) }')
    sleep "$(awk -v moment="$moment" 'BEGIN { printf "%.3f", moment / 1000 }')"
    kill -9 "$process" 2> /dev/null || true
    status=0
    wait "$process" 2> /dev/null || status=$?
    case $status in
        137)
            done=$((done + 1))
            bound=$((bound + bound / 20))
            ;;
        0)
            compare
            bound=$moment
            jobs=$((jobs + 1))
            rm -r "$work/killed"
            echo "$done kills, $jobs jobs: the same bytes so far"
            ;;
        *)
            echo "kill-9.sh: the job ended by itself with $status after $done kills; its files are in $work" >&2
            exit 1
            ;;
    esac
done
(job "$work/killed")
compare
echo "$done kills, $((jobs + 1)) jobs: all files are the same"
