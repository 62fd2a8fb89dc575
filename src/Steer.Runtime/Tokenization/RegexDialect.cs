namespace Steer.Runtime.Tokenization;

/// <summary>How a regular expression is written.</summary>
internal enum RegexDialect
{
    /// <summary>Oniguruma's Ruby syntax, as tokenizer.json has it.</summary>
    Oniguruma,

    /// <summary>What .NET, Python, ECMAScript and Rust share; where they differ, a pattern is refused. \d, \w and \s are Unicode's.</summary>
    Common,

    /// <summary>The same with \d and \w of ASCII, as in JSON schemas.</summary>
    EcmaScript,
}
