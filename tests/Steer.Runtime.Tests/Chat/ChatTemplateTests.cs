using System.Diagnostics;
using System.Text.Json;
using Steer.Runtime.Chat;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Tests.Tokenization;

namespace Steer.Runtime.Tests.Chat;

/// <summary>Templates that are wrong or made to harm give one line that names the file and the line; templates of a folder are found.</summary>
public sealed class ChatTemplateTests
{
    public static TheoryData<string, string> Faults => new()
    {
        { "a\n{{ x.y }}", "line 2: 'x' is undefined." },
        { "\n\n{% if x %}", "line 3: 'if' is not closed with 'endif'." },
        { "{{ 1 +\n }}", "line 2: '}}' stands where a value is wanted." },
        { "{{ 'a", "line 1: a string is not closed." },
        { "{# a", "line 1: a comment is not closed." },
        { "{{ a", "line 1: a tag that begins here is not closed with '}}'." },
        { "{% raw %}x", "line 1: 'raw' is not closed." },
        { "{{ a ? b }}", "line 1: '?' has no place here." },
        { "{% if x %}\n{% endfor %}", "line 2: 'endfor' is no block that is known here, and 'if' of line 1 is open" },
        { "{% include 'x' %}", "line 1: 'include' is no block that is known here; known are if, for," },
        { "{% break %}", "line 1: 'break' stands outside of a loop." },
        { "{% for a in b recursive %}{% endfor %}", "line 1: recursive loops are not supported." },
        { "{{ messages | frobnicate }}", "line 1: there is no filter 'frobnicate'." },
        { "{{ 1 is frobnicated }}", "line 1: there is no test 'frobnicated'." },
        { "{{ messages.append(1) }}", "line 1: 'append' would change a list, which a template must not." },
        { "{{ 'a' + 1 }}", "line 1: '+' does not go between a text and a number." },
        { "{{ 9223372036854775807 + 1 }}", "line 1: '+' gives too large a number." },
        { "{{ 99999999999999999999 }}", "line 1: 99999999999999999999 is too large a number." },
        { "{{ -(-9223372036854775807 - 1) }}", "line 1: '-' gives too large a number." },
        { "{{ (-9223372036854775807 - 1) | abs }}", "line 1: '-' gives too large a number." },
        { "{{ {1: 2, 'a': 3} | tojson(sort_keys=true) }}", "have no order." },
        { "{{ 1 // 0 }}", "line 1: divides by zero." },
        { "{{ messages | tojson(3, 4, 5, 6, 7) }}", "line 1: tojson takes at most 4 arguments and is given 5." },
        { "{{ messages | tojson(depth=1) }}", "line 1: tojson has no parameter 'depth'." },
        { "{{ namespace() }}", "line 1: a namespace cannot be written as text." },
        { "{{ raise_exception('no\nsystem') }}", "(line 1) refuses the messages: no system." },
        { "{% macro m() %}\n{{ y.z }}\n{% endmacro %}\n\n{{ m() }}", "line 2: 'y' is undefined." },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_fault_names_the_file_the_line_and_the_cause(string source, string message)
    {
        var e = Assert.Throws<SteerException>(() => Render(source));
        Assert.StartsWith("model/chat_template.jinja: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    public static TheoryData<string> Hostile =>
    [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 10000000000 }}",
        "{{ [0] * 10000000000 }}",
        "{{ 10 ** 1000000000000 }}",
        "{{ range(100001) }}",
        "{{ range(1000000000000) }}",
        "{% set x = 'aaaaaaaa' %}{% for i in range(100) %}{% set x = x ~ x %}{{ x }}{% set ns = x %}{% endfor %}{% set n = namespace(x='aaaa') %}"
            + "{% for i in range(100) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=[]) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[]) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{% set n = namespace(x=[], y=[]) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x == n.y }}",
        "{% set n = namespace(x=[], y=[]) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x < n.y }}",
        "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == [n.x] }}{{ n.x | tojson }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set x = 'a' * 10000000 %}{{ x.replace('a', 'b' * 10000000) }}",
        "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{{ x.find('b') }}{{ x | upper | length }}{% endfor %}",
        "{{ 'a'.center(10000000000) }}",
        "{{ 'a' | map(*(['map'] * 100000)) | list }}",
        "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}"
            + "{{ n.x == n.y }}",
        "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}"
            + "{{ n.x < n.y }}",
        "{% set x = [0] * 100000 %}{{ dict(" + string.Concat(Enumerable.Repeat("*x, ", 20_000)) + ") }}",
        "{% set x = 'a' * 1000000 %}{{ '" + string.Concat(Enumerable.Repeat("{0}", 20_000)) + "'.format(x) }}",
        "{{ ('%s' * 10000) % (('a' * 1000000,) * 10000) }}",
        "{% set x = 'a' * 10000000 %}{% for i in range(100000) %}{{ x[5000000] }}{{ x | length }}{{ x[1:3] }}{% endfor %}",
        "{% set x = 'a' * 10000000 %}{% for i in range(100000) %}{{ 'a' * 5000000 ~ 'b' ~ 'a' * 4000000 in x }}{% endfor %}",
        "{% set x = 'a' * 10000000 %}{% for i in range(100000) %}{{ {x: 1}[x] }}{% endfor %}",
        "{{ [[[[[[1]]]]]] | tojson(indent='a' * 16000000) }}",
        "{{ strftime_now('%c' * 1000000) }}",
        "{% macro m(" + string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"p{i}")) + ") %}{% endmacro %}"
            + "{% for i in range(100000) %}{{ m(p1=1, p2=2) }}{% endfor %}",
        "{{ '%99999999s' % 'a' }}",
        "{{ ('a' * 1000000) | list | map('replace', 'a', 'b' * 1000000) | list }}",
        "{{ " + new string('(', 100_000) + "1" + new string(')', 100_000) + " }}",
        "{{ " + new string('[', 100_000) + " }}",
        "{{ " + string.Join(" + ", Enumerable.Repeat("1", 100_000)) + " }}",
        "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "1 }}",
        "{{ " + new string('-', 100_000) + "1 }}",
        "{{ 1" + string.Concat(Enumerable.Repeat("|abs", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat(".x", 100_000)) + " }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" if 1 else 1", 20_000)) + " }}",
        string.Concat(Enumerable.Repeat("{% if 1 %}", 50_000)),
        string.Concat(Enumerable.Repeat("{% macro a() %}", 50_000)),
        "{% for " + new string('(', 100_000),
        new string('{', 100_001),
        string.Concat(Enumerable.Repeat("{%", 50_000)),
        "{% raw %}" + string.Concat(Enumerable.Repeat("{% endraw", 50_000)),
        new string('x', 2_000_000),
    ];

    [Theory]
    [MemberData(nameof(Hostile))]
    public void A_template_made_to_harm_ends_soon_with_one_line(string source)
    {
        var clock = Stopwatch.StartNew();
        var e = Assert.Throws<SteerException>(() => Render(source));
        Assert.StartsWith("model/chat_template.jinja: ", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.InRange(e.Message.Length, 1, 500);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), "A bound of steps stands for a second or so of work, on a busy machine for a few.");
    }

    [Fact]
    public void Long_templates_that_do_no_harm_are_rendered()
    {
        Assert.Equal("A", Render("{% filter upper" + string.Concat(Enumerable.Repeat("|upper", 150_000)) + " %}a{% endfilter %}"));
        Assert.Equal(300_000, Render("{{ " + string.Concat(Enumerable.Repeat("'a'", 300_000)) + " }}").Length);
    }

    [Theory]
    [InlineData("{{ '😀bc'[0] }}", "😀")]
    [InlineData("{{ '😀bc'[-1] }}{{ '😀bc'[3] is defined }}{{ '😀bc'[-4] is defined }}", "cFalseFalse")]
    [InlineData("{{ '😀bc'[1:] }}{{ '😀bc'[:1] }}{{ '😀bc'[2:1] }}{{ '😀bc'[-2:9] }}", "bc😀bc")]
    [InlineData("{{ '😀bc'[::-1] }}{{ '😀bc'[::2] }}", "cb😀😀c")]
    [InlineData("{{ 'abc'.ljust(-9223372036854775807 - 1) }}{{ 'a'.rjust(3) }}", "abc  a")]
    [InlineData("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ kwargs }}{% endmacro %}{{ m(1, b=3, c=4) }}{{ m(b=5) }}", "13{'c': 4}5{}")]
    public void Texts_and_macros_are_as_in_python(string source, string expected) => Assert.Equal(expected, Render(source));

    /// <summary>What is cut, doubled or swapped in a sound template gives a text or one line, and nothing else.</summary>
    [Fact]
    public void A_damaged_template_gives_a_text_or_one_line()
    {
        string golden = File.ReadAllText(GoldenFiles.Find("chat/chat_templates.json"));
        string[] sources = [.. JsonDocument.Parse(golden).RootElement.GetProperty("templates").EnumerateObject().Select(p => p.Value.GetString()!)];
        var random = new Random(1);
        for (int i = 0; i < 3000; i++)
        {
            string source = sources[random.Next(sources.Length)];
            int at = random.Next(source.Length), length = random.Next(1, Math.Min(20, source.Length - at + 1));
            string other = sources[random.Next(sources.Length)];
            int from = random.Next(other.Length);
            string piece = other.Substring(from, Math.Min(length, other.Length - from));
            source = random.Next(3) switch
            {
                0 => source.Remove(at, length),
                1 => source.Insert(at, piece),
                _ => source.Remove(at, length).Insert(at, piece),
            };
            try
            {
                Render(source);
            }
            catch (SteerException e)
            {
                Assert.DoesNotContain('\n', e.Message);
            }
        }
    }

    [Fact]
    public void A_template_is_found_in_the_configuration_and_in_files_of_its_own()
    {
        using var folder = new TemporaryFolder();
        Assert.Null(ChatTemplate.Find(folder.Path));
        void Write(string name, string text) => File.WriteAllText(Path.Combine(folder.Path, name), text);
        Write("special_tokens_map.json", """{"bos_token": "<a>", "eos_token": {"content": "</s>"}, "additional_special_tokens": ["x"]}""");
        Write("tokenizer_config.json", """{"bos_token": {"content": "<s>", "lstrip": false}, "chat_template": "c{{ bos_token }}{{ eos_token }}"}""");
        Assert.Equal("c<s></s>", ChatTemplate.Find(folder.Path)!.Render([]));
        Assert.Equal("c<s></s>", ChatTemplate.Find(Path.Combine(folder.Path, "tokenizer_config.json"))!.Render([]));

        Write("tokenizer_config.json", """{"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]}""");
        Assert.Equal("d", ChatTemplate.Find(folder.Path)!.Render([]));
        Assert.Equal("t", ChatTemplate.Find(folder.Path, "tool_use")!.Render([]));
        var e = Assert.Throws<SteerException>(() => ChatTemplate.Find(folder.Path, "rag"));
        Assert.Contains("has no chat template 'rag', only default, tool_use.", e.Message, StringComparison.Ordinal);

        Write("chat_template.jinja", "\uFEFFj\n");
        Directory.CreateDirectory(Path.Combine(folder.Path, "additional_chat_templates"));
        Write("additional_chat_templates/rag.jinja", "r");
        Assert.Equal("j", ChatTemplate.Find(folder.Path)!.Render([]));
        Assert.Equal("r", ChatTemplate.Find(folder.Path, "rag")!.Render([]));
        Assert.EndsWith("chat_template.jinja", ChatTemplate.Find(folder.Path)!.File, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_is_found_within_a_gguf_file()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.gguf");
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = "llama",
            ["tokenizer.ggml.tokens"] = new[] { "<unk>", "<s>", "</s>" },
            ["tokenizer.ggml.bos_token_id"] = 1u,
            ["tokenizer.ggml.eos_token_id"] = 2u,
            ["tokenizer.chat_template"] = "{{ bos_token }}g{{ eos_token }}",
            ["tokenizer.chat_templates"] = new[] { "tool_use" },
            ["tokenizer.chat_template.tool_use"] = "t",
        };
        void Write()
        {
            using var writer = GgufWriter.Create(path, metadata, [new GgufDeclaration("x", GgufType.F32, 1)]);
            writer.Write([0f]);
            writer.Finish();
        }

        Write();
        Assert.Equal("<s>g</s>", ChatTemplate.Find(path)!.Render([]));
        Assert.Equal("<s>g</s>", ChatTemplate.Find(folder.Path)!.Render([]));
        Assert.Equal("t", ChatTemplate.Find(path, "tool_use")!.Render([]));
        Assert.Equal("</s>", ChatTemplate.Find(path)!.EosToken);

        folder.Write("chat_template.jinja", "j");
        Assert.Equal("<s>g</s>", ChatTemplate.Find(path)!.Render([]));
        Assert.Equal("j", ChatTemplate.Find(folder.Path)!.Render([]));

        metadata.Remove("tokenizer.chat_template");
        metadata.Remove("tokenizer.chat_templates");
        Write();
        Assert.Null(ChatTemplate.Find(path));
    }

    [Theory]
    [InlineData("""{"chat_template": 1}""", "chat_template: must be a string")]
    [InlineData("""{"chat_template": [{"name": "x"}]}""", "chat_template[0]: 'template' is missing")]
    [InlineData("""{"chat_template": "{% if"}""", "tokenizer_config.json: chat template, line 1: ")]
    [InlineData("""{"chat_template": """, "not JSON")]
    public void A_damaged_configuration_is_refused_by_name(string config, string message)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "tokenizer_config.json"), config);
        Assert.Contains(message, Assert.Throws<SteerException>(() => ChatTemplate.Find(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_carry_further_members_and_a_date_is_told_in_English()
    {
        var turn = new ChatTurn("assistant", "")
        {
            Others = Members("""{"tool_calls": [{"function": {"name": "f", "arguments": {"x": 1, "y": 1.5, "z": null}}}]}"""),
        };
        var template = ChatTemplate.Parse("{{ messages[0].tool_calls[0].function.arguments }}{{ tools is none }}", "t");
        Assert.Equal("{'x': 1, 'y': 1.5, 'z': None}True", template.Render([turn]));

        var parts = new ChatTurn("user", "") { Others = Members("""{"content": [{"type": "text", "text": "a"}]}""") };
        Assert.Equal("a", ChatTemplate.Parse("{{ messages[0].content[0].text }}", "t").Render([parts]));
        var variables = Members("""{"documents": ["d"], "bos_token": "<b>", "messages": 1}""");
        var tokens = new Dictionary<string, string> { ["bos_token"] = "<s>" };
        var shown = ChatTemplate.Parse("{{ documents }}{{ bos_token }}{{ messages }}", "t", tokens);
        Assert.Equal("None<s>[]", shown.Render([]));
        Assert.Equal("['d']<b>[]", shown.Render([], variables: variables));

        var dated = Dated("{{ strftime_now('%d %b %Y, %A %-d %B %H:%M:%S %y %j %p %I %%') }}");
        Assert.Equal("05 Jan 2026, Monday 5 January 14:07:09 26 005 PM 02 %", dated);
        var e = Assert.Throws<SteerException>(() => Dated("{{ strftime_now('%Q') }}"));
        Assert.Contains("'%Q' of a date is not supported", e.Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, JsonElement> Members(string json) =>
        JsonDocument.Parse(json).RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value);

    private static string Dated(string source)
    {
        var template = ChatTemplate.Parse(source, "t");
        return template.At(new FixedClock()).Render([]);
    }

    private static string Render(string source) => ChatTemplate.Parse(source, "model/chat_template.jinja").Render([new ChatTurn("user", "Hello")]);

    private sealed class FixedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 1, 5, 14, 7, 9, TimeSpan.Zero);
    }
}
