namespace Steer.Runtime.Tokenization;

/// <summary>How a regular expression is written.</summary>
internal enum RegexDialect
{
    /// <summary>Oniguruma's Ruby syntax, as tokenizer.json has it.</summary>
    Oniguruma,

    /// <summary>What .NET, Python, ECMAScript and Rust share; where they differ, a pattern is refused. \d, \w and \s are Unicode's.</summary>
    Common,

    /// <summary>
    /// The same as in JSON schemas, whose validators differ in \d, \w and \s: these are ASCII's, and \D, \W and \S the complements of Unicode's, so
    /// that each validator agrees.
    /// </summary>
    EcmaScript,
}
