using System.Text.RegularExpressions;

namespace Steer.Runtime.Checkpoints;

/// <summary>A regular expression of an adapter_config.json, as Python would match it against names of modules.</summary>
internal sealed class ModulePattern
{
    // A pattern that needs longer for a name of a hundred characters was made to hang its reader.
    private static readonly TimeSpan MatchTimeout = TimeSpan.FromMilliseconds(100);
    private const int MaxLength = 10_000;

    private readonly ConfigFields config;
    private readonly string field;
    private readonly Regex regex;

    /// <summary>Prepares <paramref name="expression"/>, which must match from the beginning of a name.</summary>
    /// <exception cref="SteerException">It is no regular expression.</exception>
    public ModulePattern(ConfigFields config, string field, string expression)
    {
        this.config = config;
        this.field = field;
        if (expression.Length > MaxLength)
            throw config.Error(field, $"holds a pattern of {expression.Length} characters; correct it.");
        try
        {
            regex = Compile($"\\A(?:{expression})");
        }
        catch (ArgumentException e)
        {
            throw config.Error(field, $"holds \"{expression}\", which is no pattern that can be read ({e.Message}); correct it.");
        }
    }

    /// <summary>The match at the beginning of a name.</summary>
    /// <exception cref="SteerException">The pattern takes too long.</exception>
    public Match Match(string module)
    {
        try
        {
            return regex.Match(module);
        }
        catch (RegexMatchTimeoutException)
        {
            throw config.Error(field, $"holds a pattern that takes too long on {module}; simplify it.");
        }
    }

    /// <summary>A pattern that must match all of a name.</summary>
    public static ModulePattern Whole(ConfigFields config, string field, string expression) =>
        new(config, field, $"(?:{expression})\\z");

    /// <summary>A pattern that must match a name, or what follows a dot in it, to the end.</summary>
    public static ModulePattern Suffix(ConfigFields config, string field, string expression) =>
        new(config, field, $"(?:.*\\.)?(?:{expression})\\z");

    private static Regex Compile(string expression)
    {
        try
        {
            return new Regex(expression, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, MatchTimeout);
        }
        catch (NotSupportedException)
        {
            // Lookarounds and back references need the engine that backtracks.
            return new Regex(expression, RegexOptions.CultureInvariant, MatchTimeout);
        }
    }
}
