#!/usr/bin/env python3
"""Steer beside llama.cpp on one random model, in turns, as a table of ratios.

    steer bench synth --params 134M --out models/134M
    python3 benchmarks/peers/compare.py --llama ~/llama.cpp/build --model models/134M

Needs Python 3.8 and nothing else, a build of llama.cpp with llama-bench and llama-batched-bench, and steer
(--steer says how to call it). Every round runs each measurement once with each program, one right after the
other, so that both meet the same machine; the table has the medians of the rounds, of the ratios too.

Both keep the weights in the same type: f32, bf16, and Q8_0 beside --weights int8. llama.cpp chooses flash
attention by itself where it can, and runs prefill with it and without: the faster counts.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys

PROMPT = 512
DECODE_PROMPT = 32
STEER_TYPES = {"f32": "f32", "bf16": "bf16", "q8_0": "int8"}


def main():
    args = arguments()
    bench, batched = tool(args.llama, "llama-bench"), tool(args.llama, "llama-batched-bench")
    rows = {}
    for round_number in range(1, args.rounds + 1):
        for kind in args.types:
            print(f"round {round_number} of {args.rounds}: {kind}", file=sys.stderr)
            gguf = os.path.join(args.model, f"model-{kind}.gguf")
            add(rows, (kind, "prefill", 1), "llama.cpp", llama_prefill(args, bench, gguf))
            add(rows, (kind, "prefill", 1), "steer", steer(args, kind, 1, PROMPT, 2, "prefill"))
            for batch in args.batch:
                add(rows, (kind, "decode", batch), "llama.cpp", llama_decode(args, batched, gguf, batch))
                add(rows, (kind, "decode", batch), "steer", steer(args, kind, batch, DECODE_PROMPT, args.tokens, "decode"))

    print("| type | tokens/s of | llama.cpp | steer | ratio |\n|---|---|---|---|---|")
    for (kind, what, batch), values in rows.items():
        peer, own = statistics.median(values["llama.cpp"]), statistics.median(values["steer"])
        ratio = statistics.median(mine / theirs for theirs, mine in zip(values["llama.cpp"], values["steer"]))
        name = f"prefill of {PROMPT}" if what == "prefill" else f"decode, {batch} at once"
        print(f"| {kind} | {name} | {peer:.0f} | {own:.0f} | {ratio:.2f} |")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama", required=True, metavar="DIR", help="folder of a llama.cpp build")
    parser.add_argument("--model", required=True, metavar="DIR", help="folder that steer bench synth wrote")
    parser.add_argument("--steer", default="steer", metavar="COMMAND", help="how to call steer; default: steer")
    parser.add_argument("--types", default="f32,bf16,q8_0", type=lambda t: t.split(","), help="default: f32,bf16,q8_0")
    parser.add_argument("--batch", default="1,4,8,16,32", type=lambda t: [int(n) for n in t.split(",")], help="default: 1,4,8,16,32")
    parser.add_argument("--tokens", default=32, type=int, help="tokens that each sequence decodes; default: 32")
    parser.add_argument("--threads", default=os.cpu_count(), type=int, help="default: all processors")
    parser.add_argument("--isa", default="auto", help="instructions of steer's CPU device, beside a build with the same: avx2; default: auto")
    parser.add_argument("--rounds", default=3, type=int, help="default: 3")
    args = parser.parse_args()
    unknown = [t for t in args.types if t not in STEER_TYPES]
    if unknown:
        parser.error(f"no such type: {', '.join(unknown)}")
    return args


def tool(folder, name):
    """The path of a program in a build folder, as make, ninja or Visual Studio lay it out."""
    for place in ("", "bin", "bin/Release", "build/bin", "build/bin/Release"):
        for suffix in ("", ".exe"):
            path = os.path.join(folder, place, name + suffix)
            if os.path.isfile(path):
                return path
    sys.exit(f"{folder}: there is no {name}. Give the folder in which llama.cpp was built.")


def add(rows, key, program, value):
    rows.setdefault(key, {"llama.cpp": [], "steer": []})[program].append(value)


def llama_prefill(args, bench, gguf):
    command = [bench, "-m", gguf, "-p", str(PROMPT), "-n", "0", "-t", str(args.threads), "-r", "2", "-fa", "0,1", "-o", "jsonl"]
    return max(result["avg_ts"] for result in json_lines(command))


def llama_decode(args, batched, gguf, batch):
    cells = batch * (DECODE_PROMPT + args.tokens)
    command = [
        batched, "-m", gguf, "-c", str(cells), "-npp", str(DECODE_PROMPT), "-ntg", str(args.tokens),
        "-npl", str(batch), "-t", str(args.threads), "--output-format", "jsonl",
    ]
    return json_lines(command)[0]["speed_tg"]


def steer(args, kind, batch, prompt, tokens, what):
    command = shlex.split(args.steer, posix=os.name != "nt") + [
        "bench", "--base", args.model, "--weights", STEER_TYPES[kind], "--batch", str(batch),
        "--prompt-tokens", str(prompt), "--max-tokens", str(tokens), "--threads", str(args.threads),
        "--isa", args.isa, "--json",
    ]
    return json_lines(command)[0][f"{what}_tokens_per_second"]


def json_lines(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
