namespace Steer.Cli.Output;

/// <summary>Whoever read standard output has gone (as `head` does): there is nobody left to work for.</summary>
internal sealed class ReaderLeftException(Exception inner) : Exception("The reader of standard output has left.", inner);
