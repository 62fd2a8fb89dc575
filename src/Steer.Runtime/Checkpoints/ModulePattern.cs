using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Steer.Runtime.Checkpoints;

/// <summary>A regular expression of an adapter_config.json, matched against names of modules as Python would.</summary>
internal sealed class ModulePattern
{
    private readonly PatternContext _context;
    private readonly string _field;
    private readonly string? _plainEnding;
    private readonly Regex? _regex;

    private ModulePattern(PatternContext context, string field, string expression, string? plainEnding)
    {
        _context = context;
        _field = field;
        _plainEnding = plainEnding;
        if (plainEnding is null)
            _regex = context.Compile(field, expression);
    }

    /// <summary>A pattern that must match from the beginning of a name.</summary>
    public static ModulePattern Start(PatternContext context, string field, string expression) =>
        new(context, field, $"\\A(?:{expression})", null);

    /// <summary>A pattern that must match all of a name.</summary>
    public static ModulePattern Whole(PatternContext context, string field, string expression) =>
        new(context, field, $"\\A(?:{expression})\\z", null);

    /// <summary>A pattern that must match a name, or what follows a dot in it, to the end.</summary>
    public static ModulePattern Ending(PatternContext context, string field, string expression) =>
        new(context, field, $"\\A(?:.*\\.)?(?:{expression})\\z", IsPlain(expression) ? expression : null);

    /// <summary>Whether a name matches.</summary>
    /// <exception cref="SteerException">The patterns of the file take too long.</exception>
    public bool Matches(string module) => _plainEnding is null ? Match(module).Success : HasPlainEnding(module, _plainEnding);

    /// <summary>The match with its groups; not for <see cref="Ending"/>.</summary>
    /// <exception cref="SteerException">The patterns of the file take too long.</exception>
    public Match Match(string module) => _context.Match(_field, _regex!, module);

    // Adapters whose ranks differ name hundreds of modules, each by its plain name: too many for a regular expression each.
    private static bool IsPlain(string expression) => expression.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.');

    private static bool HasPlainEnding(string module, string ending)
    {
        int start = module.Length - ending.Length;
        if (start < 0 || (start > 0 && module[start - 1] != '.'))
            return false;
        // A dot stands for any character.
        for (int i = 0; i < ending.Length; i++)
        {
            if (ending[i] != '.' && ending[i] != module[start + i])
                return false;
        }

        return true;
    }
}

/// <summary>What the regular expressions of one file may cost together, so that none can hang its reader.</summary>
internal sealed class PatternContext(ConfigFields config)
{
    private const int MaxExpressions = 64;
    private const int MaxLength = 10_000;
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(2);

    private readonly Stopwatch _spent = new();
    private int _expressions;

    /// <summary>Prepares an expression.</summary>
    /// <exception cref="SteerException">It is no regular expression, or one too many.</exception>
    public Regex Compile(string field, string expression)
    {
        if (++_expressions > MaxExpressions || expression.Length > MaxLength)
            throw config.Error(field, $"is one of more than {MaxExpressions} patterns, or longer than {MaxLength} characters; simplify it.");
        try
        {
            return new Regex(expression, RegexOptions.CultureInvariant, MaxTime);
        }
        catch (ArgumentException e)
        {
            throw config.Error(field, $"holds \"{expression}\", which is no pattern that can be read ({e.Message}); correct it.");
        }
    }

    /// <summary>Matches while there is time.</summary>
    /// <exception cref="SteerException">There is none left.</exception>
    public Match Match(string field, Regex regex, string module)
    {
        try
        {
            _spent.Start();
            Match match = regex.Match(module);
            _spent.Stop();
            if (_spent.Elapsed < MaxTime)
                return match;
        }
        catch (RegexMatchTimeoutException)
        {
            // Told of below, as is the sum of many slow matches.
        }

        throw config.Error(field, $"holds a pattern that takes too long on {module}; simplify it.");
    }
}
