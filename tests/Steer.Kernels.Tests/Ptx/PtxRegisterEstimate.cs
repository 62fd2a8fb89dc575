using System.Collections;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>
/// How many registers of 32 bits a thread of a kernel needs: the most that hold, between two instructions in the order of the text, what a later one reads.
/// The assembler orders instructions anew and computes some values twice, so that its number is another, but a kernel far above what a thread can have will spill.
/// </summary>
internal sealed class PtxRegisterEstimate
{
    private readonly PtxEntry _entry;
    private readonly PtxLayout _layout;
    private readonly Dictionary<string, int> _numbers = [];
    private readonly List<int> _words = [];
    private readonly (int[] Written, int[] Read)[] _statements;

    private PtxRegisterEstimate(PtxEntry entry)
    {
        _entry = entry;
        _layout = new PtxLayout(entry);
        _statements = [.. entry.Statements.Select(Registers)];
    }

    public static int Of(string ptx) => new PtxRegisterEstimate(PtxParser.Parse(ptx)).Most();

    private int Most()
    {
        (int Start, int End)[] blocks = [.. _layout.Blocks];
        BitArray[] live = [.. blocks.Select(_ => new BitArray(_words.Count))];
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int b = blocks.Length - 1; b >= 0; b--)
            {
                BitArray now = After(b, live);
                for (int i = blocks[b].End - 1; i >= blocks[b].Start; i--)
                    Step(now, i);
                changed |= ((BitArray)now.Clone()).Xor(live[b]).HasAnySet();
                live[b] = now;
            }
        }

        int most = 0;
        for (int b = 0; b < blocks.Length; b++)
        {
            BitArray now = After(b, live);
            int words = Enumerable.Range(0, _words.Count).Sum(r => now[r] ? _words[r] : 0);
            for (int i = blocks[b].End - 1; i >= blocks[b].Start; i--)
            {
                // What is written needs a place, read or not.
                most = Math.Max(most, words + _statements[i].Written.Distinct().Sum(r => now[r] ? 0 : _words[r]));
                words += Step(now, i);
            }
        }

        return most;
    }

    private BitArray After(int block, BitArray[] live)
    {
        var after = new BitArray(_words.Count);
        foreach (int successor in _layout.Successors(block))
            after.Or(live[successor]);
        return after;
    }

    // From what is read after a statement to what is read from it on; how many words more those are.
    private int Step(BitArray live, int statement)
    {
        int more = 0;
        if (_entry.Statements[statement].Guard is null)
            Set(_statements[statement].Written, false);
        Set(_statements[statement].Read, true);
        return more;

        void Set(int[] registers, bool value)
        {
            foreach (int register in registers)
            {
                if (live[register] != value)
                    more += value ? _words[register] : -_words[register];
                live[register] = value;
            }
        }
    }

    private (int[] Written, int[] Read) Registers(PtxStatement statement)
    {
        // What writes no register: stores, copies to shared memory, barriers and jumps.
        bool writes = statement.Mnemonic.Split('.')[0] is not ("st" or "red" or "cp" or "bar" or "barrier" or "membar" or "fence" or "bra" or "ret" or "exit" or "prefetch");
        var written = new List<int>();
        var read = new List<int>();
        for (int i = 0; i < statement.Operands.Count; i++)
        {
            foreach (string name in statement.Operands[i].Split(['{', '}', '[', ']', ',', '|', '+', '!', ' '], StringSplitOptions.RemoveEmptyEntries))
            {
                if (_entry.TypeOf(name) is { } type and not "pred")
                    (writes && i == 0 ? written : read).Add(Number(name, type));
            }
        }

        return ([.. written], [.. read]);
    }

    private int Number(string register, string type)
    {
        if (!_numbers.TryGetValue(register, out int number))
        {
            _numbers.Add(register, number = _words.Count);
            _words.Add(type.EndsWith("64", StringComparison.Ordinal) ? 2 : 1);
        }

        return number;
    }
}
