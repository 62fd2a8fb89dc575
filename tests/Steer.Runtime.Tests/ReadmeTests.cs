using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Tests;

/// <summary>The README's samples compile against the library as it is.</summary>
public class ReadmeTests
{
    [Fact]
    public void The_samples_compile()
    {
        string readme = File.ReadAllText(Path.Combine(GoldenFiles.Weights, "..", "README.md")).ReplaceLineEndings("\n");
        string[] samples = [.. readme.Split("```csharp\n").Skip(1).Select(rest => rest[..rest.IndexOf("```", StringComparison.Ordinal)])];
        Assert.True(samples.Length >= 2);
        Assert.All(samples, Compile);
    }

    private static void Compile(string sample)
    {
        // What a console project with implicit usings sees.
        const string usings = "global using System; global using System.Collections.Generic; global using System.Linq; global using System.Threading.Tasks;";
        var options = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest);
        string platform = (string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!;
        var compilation = CSharpCompilation.Create(
            "sample",
            [CSharpSyntaxTree.ParseText(usings, options), CSharpSyntaxTree.ParseText(sample, options)],
            platform.Split(Path.PathSeparator).Append(typeof(SteerEngine).Assembly.Location).Select(p => MetadataReference.CreateFromFile(p)),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        Assert.Empty(compilation.GetDiagnostics().Where(d => d.Severity >= DiagnosticSeverity.Warning));
    }
}
