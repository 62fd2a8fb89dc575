namespace Steer.Runtime.Checkpoints;

/// <summary>The tensors of one module that an adapter changes.</summary>
internal sealed class LoraTensors
{
    /// <summary>lora_A [rank, in].</summary>
    public StoredTensor? A { get; set; }

    /// <summary>lora_B [out, rank].</summary>
    public StoredTensor? B { get; set; }

    /// <summary>Bias of lora_B [out].</summary>
    public StoredTensor? BBias { get; set; }

    /// <summary>DoRA's magnitudes [out].</summary>
    public StoredTensor? Magnitude { get; set; }

    /// <summary>Those that are there.</summary>
    public IEnumerable<StoredTensor> All => new[] { A, B, BBias, Magnitude }.OfType<StoredTensor>();

    /// <summary>One of them, for errors.</summary>
    public StoredTensor Any => All.First();
}

/// <summary>The tensors of an adapter file, sorted by what they are; the names that several versions of PEFT gave them made one.</summary>
internal sealed class AdapterTensors
{
    private const string Prefix = "base_model.model.";

    /// <summary>Low-rank changes by module.</summary>
    public Dictionary<string, LoraTensors> Lora { get; } = [];

    /// <summary>Tensors that stand in for the base's, by the base's full name.</summary>
    public Dictionary<string, StoredTensor> Replaced { get; } = [];

    /// <summary>All of them.</summary>
    public IEnumerable<StoredTensor> All => Lora.Values.SelectMany(lora => lora.All).Concat(Replaced.Values);

    /// <summary>Sorts the tensors of a file.</summary>
    /// <exception cref="SteerException">Two names mean the same, or a tensor adapts an embedding.</exception>
    public static AdapterTensors Sort(SafetensorsFile file)
    {
        var sorted = new AdapterTensors();
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            tensor.CheckIsWeight();
            sorted.Place(tensor);
        }

        return sorted;
    }

    private void Place(StoredTensor tensor)
    {
        string name = tensor.Name.StartsWith(Prefix, StringComparison.Ordinal) ? tensor.Name[Prefix.Length..] : tensor.Name;
        List<string> parts = [.. name.Split('.')];
        int kind = parts.FindLastIndex(part => part.StartsWith("lora_", StringComparison.Ordinal));
        if (kind < 0)
        {
            parts.RemoveAll(part => part is "base_layer" or "modules_to_save" or "default");
            if (!Replaced.TryAdd(string.Join('.', parts), tensor))
                throw tensor.Error("is there twice under two names; save the adapter again.");
            return;
        }

        string module = string.Join('.', parts[..kind]);
        if (!Lora.TryGetValue(module, out LoraTensors? lora))
            Lora.Add(module, lora = new LoraTensors());
        string what = string.Join('.', parts[kind..].FindAll(part => part != "default"));
        bool isNew = what switch
        {
            "lora_A.weight" => lora.A is null && (lora.A = tensor) is not null,
            "lora_B.weight" => lora.B is null && (lora.B = tensor) is not null,
            "lora_B.bias" => lora.BBias is null && (lora.BBias = tensor) is not null,
            "lora_magnitude_vector" or "lora_magnitude_vector.weight" =>
                lora.Magnitude is null && (lora.Magnitude = tensor) is not null,
            "lora_embedding_A" or "lora_embedding_B" =>
                throw tensor.Error("adapts an embedding, which is not supported; name the embedding in modules_to_save instead."),
            _ => throw tensor.Error($"is of the unknown kind {what}; only plain LoRA and DoRA can be loaded."),
        };
        if (!isNew)
            throw tensor.Error("is there twice under two names; save the adapter again.");
    }
}
