namespace Steer.Runtime.Tokenization;

/// <summary>Reads `post_processor` of tokenizer.json: what is put around a single text. Templates for pairs of texts are not read.</summary>
internal static class PostProcessorReader
{
    private const int MaxAround = 1024;

    /// <summary>The ids before and after a text.</summary>
    public static (List<int> Prefix, List<int> Suffix) Read(JsonPart part, Vocabulary vocabulary)
    {
        switch (part.Type)
        {
            case "ByteLevel": // moves offsets only, which nothing here has
                return ([], []);
            case "TemplateProcessing":
                return Template(part, vocabulary);
            case "BertProcessing" or "RobertaProcessing":
                return ([TokenOf(part.Required("cls"), vocabulary)], [TokenOf(part.Required("sep"), vocabulary)]);
            case "Sequence":
                List<int> prefix = [], suffix = [];
                foreach (var processor in part.Required("processors").Items())
                {
                    var (before, after) = Read(processor, vocabulary);
                    prefix.InsertRange(0, before);
                    suffix.AddRange(after);
                    if (prefix.Count + suffix.Count > MaxAround)
                        throw part.Error($"adds more than {MaxAround} tokens");
                }

                return (prefix, suffix);
            case var type:
                throw part.Unknown("post-processor", type, "Sequence, ByteLevel, TemplateProcessing, BertProcessing and RobertaProcessing");
        }
    }

    private static (List<int> Prefix, List<int> Suffix) Template(JsonPart part, Vocabulary vocabulary)
    {
        List<int> prefix = [], suffix = [];
        var seenText = false;
        foreach (var item in part.Required("single").Items())
        {
            if (item.Member("SpecialToken") is { } special)
            {
                var name = special.Required("id").Text();
                var token = part.Required("special_tokens").Member(name)
                    ?? throw special.Error($"token {Vocabulary.Show(name)} is not in special_tokens");
                (seenText ? suffix : prefix).AddRange(token.Required("ids").Items().Select(id => Checked(id, id.Integer(), vocabulary)));
            }
            else if (item.Required("Sequence").Required("id").Text() != "A" || seenText)
            {
                throw item.Error("a template for one text must have the sequence A once");
            }
            else
            {
                seenText = true;
            }
        }

        if (!seenText)
            throw part.Error("the template leaves the text out");
        return (prefix, suffix);
    }

    /// <summary>The id of ["token", id].</summary>
    private static int TokenOf(JsonPart pair, Vocabulary vocabulary)
    {
        var fields = pair.Items().ToArray();
        return fields.Length == 2 ? Checked(pair, fields[1].Integer(), vocabulary) : throw pair.Error("must be a token and its id");
    }

    private static int Checked(JsonPart part, int id, Vocabulary vocabulary) =>
        vocabulary.TokenOf(id) is not null ? id : throw part.Error($"id {id} is not in the vocabulary");
}
