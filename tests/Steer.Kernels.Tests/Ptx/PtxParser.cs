using System.Globalization;
using System.Text.RegularExpressions;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>Reads the one entry of a module. Functions beside it are passed over: what calls one is refused when it is decoded.</summary>
internal sealed partial class PtxParser
{
    private readonly string _text;
    private readonly List<PtxVariable> _moduleShared = [];
    private int _at;
    private int _line = 1;
    private int _countedTo;

    private PtxParser(string text) => _text = Comments().Replace(text, m => new string('\n', m.Value.Count(c => c == '\n')));

    /// <exception cref="FormatException">The text has no entry, or what no kernel of ILGPU has.</exception>
    public static PtxEntry Parse(string text) => new PtxParser(text).ParseModule();

    private PtxEntry ParseModule()
    {
        while (SkipSpace())
        {
            string word = Directive().Match(_text, _at).Value;
            if (word is ".version" or ".target" or ".address_size")
                _at = _text.IndexOf('\n', _at);
            else if (Head().Match(_text, _at) is { Success: true } head && head.Value.Contains(".entry", StringComparison.Ordinal))
                return ParseEntry();
            else if (Head().Match(_text, _at).Value.Contains(".func", StringComparison.Ordinal))
                SkipFunction();
            else
                Declare(Take(';'), _moduleShared, []);
        }

        throw new FormatException("PTX without an entry.");
    }

    private PtxEntry ParseEntry()
    {
        string head = Take('(');
        var entry = new PtxEntry { Name = head.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1].Trim() };
        entry.Shared.AddRange(_moduleShared);
        foreach (string parameter in Take(')').Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            entry.Parameters.Add(Variable(parameter));
        Take('{');
        int depth = 1;
        while (depth > 0 && SkipSpace())
        {
            switch (_text[_at])
            {
                case '{':
                    depth++;
                    _at++;
                    break;
                case '}':
                    depth--;
                    _at++;
                    break;
                case '.':
                    Declare(Take(';'), entry.Shared, entry.Local, entry.Registers);
                    break;
                case var _ when Label().Match(_text, _at) is { Success: true } label:
                    entry.Labels.Add(label.Groups[1].Value, entry.Statements.Count);
                    _at += label.Length;
                    break;
                default:
                    int line = Line();
                    entry.Statements.Add(Statement(line, Take(';')));
                    break;
            }
        }

        // The end of the text is the end of a thread.
        entry.Statements.Add(new PtxStatement(Line(), null, false, "ret", []));
        return entry;
    }

    private static PtxStatement Statement(int line, string text)
    {
        Match match = Instruction().Match(text);
        if (!match.Success)
            throw new FormatException($"line {line}: {text}");
        return new PtxStatement(
            line, match.Groups["guard"] is { Success: true, Value: var guard } ? guard : null, match.Groups["not"].Length > 0,
            match.Groups["name"].Value, SplitOperands(match.Groups["rest"].Value));
    }

    // By commas, but for those within braces and brackets.
    private static List<string> SplitOperands(string text)
    {
        var operands = new List<string>();
        int depth = 0, start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            char c = i < text.Length ? text[i] : ',';
            depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
            if (c != ',' || (depth > 0 && i < text.Length))
                continue;
            if (text[start..i].Trim() is { Length: > 0 } operand)
                operands.Add(operand);
            start = i + 1;
        }

        return operands;
    }

    private static void Declare(
        string text, List<PtxVariable> shared, List<PtxVariable> local, Dictionary<string, string>? registers = null)
    {
        if (registers is not null && Register().Match(text) is { Success: true } register)
        {
            foreach (string name in register.Groups["names"].Value.Split(',', StringSplitOptions.TrimEntries))
                registers[name.Contains('<', StringComparison.Ordinal) ? name[..(name.IndexOf('<', StringComparison.Ordinal) + 1)] : name] = register.Groups["type"].Value;
        }
        else if (text.Contains(".shared", StringComparison.Ordinal))
        {
            shared.Add(Variable(text));
        }
        else if (text.Contains(".local", StringComparison.Ordinal))
        {
            local.Add(Variable(text));
        }
        else if (!text.StartsWith(".pragma", StringComparison.Ordinal))
        {
            throw new FormatException($"A declaration that is not known: {text}");
        }
    }

    private static PtxVariable Variable(string text)
    {
        Match match = VariableOf().Match(text);
        if (!match.Success)
            throw new FormatException($"A variable that is not understood: {text}");
        int element = int.Parse(match.Groups["bits"].Value, CultureInfo.InvariantCulture) / 8;
        int count = match.Groups["array"].Success ? match.Groups["count"] is { Length: > 0, Value: var n } ? int.Parse(n, CultureInfo.InvariantCulture) : 0 : 1;
        int alignment = match.Groups["align"] is { Success: true, Value: var align } ? int.Parse(align, CultureInfo.InvariantCulture) : element;
        return new PtxVariable(match.Groups["name"].Value, alignment, element * count);
    }

    private void SkipFunction()
    {
        int end = _text.IndexOf(';', _at), brace = _text.IndexOf('{', _at);
        if (end >= 0 && (brace < 0 || end < brace))
        {
            _at = end + 1;
            return;
        }

        int depth = 0;
        do
        {
            depth += _text[brace] == '{' ? 1 : _text[brace] == '}' ? -1 : 0;
            brace++;
        }
        while (depth > 0);
        _at = brace;
    }

    private string Take(char end)
    {
        int to = _text.IndexOf(end, _at);
        if (to < 0)
            throw new FormatException($"line {Line()}: no '{end}' follows.");
        string taken = _text[_at..to];
        _at = to + 1;
        return taken.Trim();
    }

    private bool SkipSpace()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
            _at++;
        return _at < _text.Length;
    }

    private int Line()
    {
        _line += _text.AsSpan(_countedTo, _at - _countedTo).Count('\n');
        _countedTo = _at;
        return _line;
    }

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comments();

    [GeneratedRegex(@"\G\.[a-z_]+")]
    private static partial Regex Directive();

    [GeneratedRegex(@"\G[^;{]*?\.(entry|func)\b")]
    private static partial Regex Head();

    [GeneratedRegex(@"\G([A-Za-z_$%][\w$]*)\s*:(?!:)")]
    private static partial Regex Label();

    [GeneratedRegex(@"^(@(?<not>!?)(?<guard>[%\w$]+)\s+)?(?<name>[a-z][\w.:]*)(\s+(?<rest>.*))?$", RegexOptions.Singleline)]
    private static partial Regex Instruction();

    [GeneratedRegex(@"^\.reg\s+\.(?<type>\w+)\s+(?<names>.*)$", RegexOptions.Singleline)]
    private static partial Regex Register();

    [GeneratedRegex(@"(\.align\s+(?<align>\d+)\s+)?\.[busf](?<bits>\d+)\s+(?<name>[\w$%]+)(?<array>\s*\[(?<count>\d*)\])?\s*$")]
    private static partial Regex VariableOf();
}
