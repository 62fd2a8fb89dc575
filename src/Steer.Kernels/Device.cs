namespace Steer.Kernels;

/// <summary>How a pair of numbers that rotate together lies in a head.</summary>
public enum RopeLayout
{
    /// <summary>Column i with column i + half (GPT-NeoX, Llama).</summary>
    Half,

    /// <summary>Column 2i with column 2i + 1 (GPT-J, Cohere).</summary>
    Interleaved,
}

/// <summary>The nonlinearity of a feed-forward block.</summary>
public enum Activation
{
    /// <summary>x / (1 + exp(-x)).</summary>
    Silu,

    /// <summary>x * Phi(x), by the error function.</summary>
    Gelu,

    /// <summary>0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).</summary>
    GeluTanh,

    /// <summary>max(x, 0).</summary>
    Relu,
}

/// <summary>What an attention layer does beside softmax(q k^T * Scale) v.</summary>
/// <param name="Scale">Multiplies q k^T.</param>
/// <param name="Window">A row sees the last Window positions, itself included; 0 for all.</param>
/// <param name="SoftCap">Where above 0 a score becomes SoftCap * tanh(score / SoftCap).</param>
/// <param name="AlibiSlopes">Slope of each query head [heads]: slope * key position is added after scale; or null.</param>
public readonly record struct AttentionParams(float Scale, int Window, float SoftCap, DeviceBuffer<float>? AlibiSlopes);

/// <summary>
/// A device: its memory and the kernels from which a decoder is written. Kernels run in the order in which they are called;
/// <see cref="DeviceBuffer{T}.Download"/> waits for them. A device is used from one thread at a time.
/// </summary>
/// <remarks>
/// Every kernel keeps one promise: a row's result does not depend on the other rows of the batch, nor on the number of threads.
/// Tensors are float32. Shapes that do not fit throw <see cref="ArgumentException"/>.
/// </remarks>
public abstract class Device : IDisposable
{
    /// <summary>Name and properties, as `steer devices` prints them.</summary>
    public abstract string Description { get; }

    /// <summary>Bytes of memory that the device has, in use or not.</summary>
    public abstract long MemoryBytes { get; }

    /// <summary>Allocates zeroed memory.</summary>
    /// <exception cref="OutOfMemoryException">The device has not that much.</exception>
    public abstract DeviceBuffer<T> Allocate<T>(long length)
        where T : unmanaged;

    /// <summary>Packs matrices [n_i, k], one below the other, into one weight [sum n_i, k].</summary>
    /// <exception cref="InvalidDataException">A number is NaN, infinite where the type has blocks, or beyond what float16 holds.</exception>
    public abstract PackedWeight Pack(IReadOnlyList<WeightMatrix> parts, WeightFormat format);

    /// <summary>Packs an adapter's segments for a projection [n, k]; no two of them change the same column.</summary>
    /// <exception cref="InvalidDataException">A number is NaN.</exception>
    public abstract LoraWeight PackLora(int n, int k, IReadOnlyList<LoraSegment> segments);

    /// <summary>Allocates a paged cache.</summary>
    public abstract KvCache CreateKvCache(KvCacheShape shape);

    /// <summary>y[r] = scale * table[ids[idStart + r]], or added to y where <paramref name="accumulate"/>.</summary>
    /// <param name="ids">Row of the table for each row of y.</param>
    /// <param name="idStart">First entry of ids.</param>
    /// <param name="table">[vocab, d].</param>
    /// <param name="scale">Multiplies each number.</param>
    /// <param name="accumulate">Adds to y (position embeddings) instead of overwriting it.</param>
    /// <param name="y">[rows, d].</param>
    public abstract void Embed(DeviceBuffer<int> ids, int idStart, PackedWeight table, float scale, bool accumulate, Tensor y);

    /// <summary>y = norm(x) by groups of columns, see <see cref="NormWeight"/>. x and y may be the same.</summary>
    public abstract void Norm(Tensor x, NormWeight weight, Tensor y);

    /// <summary>x += deltaScale * delta, then y = norm(x).</summary>
    public abstract void AddNorm(Tensor x, Tensor delta, float deltaScale, NormWeight weight, Tensor y);

    /// <summary>x += deltaScale * delta.</summary>
    public abstract void Add(Tensor x, Tensor delta, float deltaScale);

    /// <summary>
    /// y[r] = x[r] W^T + bias with the weight of r's group. x [rows, k], each W [n, k], y [rows, n]. Groups ascend and do not overlap;
    /// rows in no group are left alone. The order of the sum over k is the device's own and the same for any number of rows; on the CPU device it is
    /// one chain of fused multiply-adds in ascending order, unless the weight's <see cref="WeightFormat"/> rounds activations.
    /// </summary>
    public abstract void MatMul(Tensor x, ReadOnlySpan<MatMulGroup> groups, Tensor y);

    /// <summary>
    /// For each row of a group and each segment of its weight, on the segment's columns: y = y * ColumnScale + (x A^T) B^T + ColumnBias.
    /// x is the input of the projection and y what MatMul made of it (LoRA: Hu et al., arXiv 2106.09685; DoRA: Liu et al., arXiv 2402.09353).
    /// </summary>
    public abstract void LoraDelta(Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y);

    /// <summary>
    /// angles[r] = scale * cos(p f_i) in the first half of the columns and scale * sin(p f_i) in the second, with p = positions[r] and
    /// f = inverseFrequencies [columns / 2] (RoPE: Su et al., arXiv 2104.09864).
    /// </summary>
    public abstract void RopeAngles(DeviceBuffer<int> positions, DeviceBuffer<float> inverseFrequencies, float scale, Tensor angles);

    /// <summary>
    /// Rotates q and k in place by <paramref name="angles"/> (only the first angles.Columns columns of each head; none where null)
    /// and writes k and v of each row into the cache at its slot.
    /// </summary>
    /// <param name="q">[rows, heads * head dim].</param>
    /// <param name="k">[rows, kv heads * head dim].</param>
    /// <param name="v">[rows, kv heads * head dim].</param>
    /// <param name="angles">From <see cref="RopeAngles"/> [rows, rotary dim], or null.</param>
    /// <param name="layout">Which columns form a pair.</param>
    /// <param name="batch">Slots of the rows.</param>
    /// <param name="cache">Where k and v go.</param>
    /// <param name="layer">Layer of the cache.</param>
    public abstract void RopeAndCache(
        Tensor q, Tensor k, Tensor v, Tensor? angles, RopeLayout layout, ForwardBatch batch, KvCache cache, int layer);

    /// <summary>
    /// y[r] = softmax(score(q[r], keys of its context up to its position)) values, head by head; query head h reads kv head
    /// h / (heads / kv heads). Keys and values come from the cache, those of this batch's rows included.
    /// </summary>
    /// <param name="q">[rows, heads * head dim].</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="batch">Positions and block tables.</param>
    /// <param name="parameters">Scale, window, soft cap, ALiBi.</param>
    /// <param name="y">[rows, heads * head dim].</param>
    public abstract void Attention(
        Tensor q, KvCache cache, int layer, ForwardBatch batch, in AttentionParams parameters, Tensor y);

    /// <summary>y = act(x). Gated: x holds gate and up side by side [rows, 2 m] and y = act(gate) * up [rows, m].</summary>
    public abstract void Activate(Tensor x, Activation activation, bool gated, Tensor y);

    /// <summary>x *= scale, then x = cap * tanh(x / cap) where cap is above 0.</summary>
    public abstract void ScaleAndCap(Tensor x, float scale, float cap);

    /// <summary>y[i] = x[rows[i]].</summary>
    public abstract void Gather(Tensor x, DeviceBuffer<int> rows, Tensor y);

    /// <summary>
    /// Softmax over the router's logits [rows, experts], then the k best of each row, descending, lower index first where equal:
    /// expertIds[r * k + j] and weights[r, j] [rows, k]; the weights of a row are divided by their sum where <paramref name="normalise"/>.
    /// </summary>
    public abstract void Route(Tensor logits, bool normalise, DeviceBuffer<int> expertIds, Tensor weights);

    /// <summary>y[i] = x[i / fanOut] W^T with W = experts[expertIds[i]]; for i in rows of y. Each W is [n, k].</summary>
    public abstract void MatMulExperts(
        Tensor x, IReadOnlyList<PackedWeight> experts, DeviceBuffer<int> expertIds, int fanOut, Tensor y);

    /// <summary>y[r] = sum over j of weights[r, j] * x[r * k + j], with k the columns of weights.</summary>
    public abstract void CombineExperts(Tensor x, Tensor weights, Tensor y);

    /// <summary>
    /// One guided step for every sequence of the batch: method and order are those of STEER (arXiv 2308.07645) with a plausibility mask.
    /// <code>
    /// l_j = log_softmax(z_j)                              over the first VocabSize tokens, each branch j
    /// A   = tokens with no bias of minus infinity, and with a bit in AllowedTokens where the row is Restricted
    /// V   = { x in A : l_r(x) > -inf and l_r(x) >= log(Alpha) + max over A of l_r }     at least one token
    /// s   = sum_j w_j * max(l_j, Floor)                   on V; a branch with ExemptEos has l_r at end-of-sequence tokens (before the floor)
    /// s'  = s + bias; repetition penalty on s' + logsumexp(z_r); frequency, presence; / T
    /// top-k, top-p, min-p, typical, epsilon, eta, top-n-sigma, each on what still stands
    /// token = inverse of the cumulative distribution, in order of token id, at Philox(Seed, Step)
    /// </code>
    /// A group of branches (GroupSize m above 1) enters as log(1/m sum exp l_j). The reported log-probability is log_softmax(s) over V. Truncations
    /// are those of transformers' logits processors, penalties those of vLLM and transformers; each field of <see cref="GuideRow"/> says its own.
    /// T is Temperature, or the solution of a target entropy:
    /// <code>
    /// H(softmax(s' / T)) = TargetEntropy where above 0, H(softmax(l_r on V)) where below 0          T in [1e-6, 1e6]
    /// </code>
    /// H grows with T, from the log of the number of best tokens to log |V|: a target outside that range gets the end of the interval (greedy but for
    /// ties, or all of V alike). The search starts at T = 1 and stops where H is within 1e-6 (1 + target), so that plain sampling keeps T = 1
    /// exactly.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// A row points outside the arrays of the batch. Only devices whose memory the host reads can tell: elsewhere rows must be right.
    /// </exception>
    public abstract void GuideAndSample(GuideBatch batch);

    /// <summary>
    /// Makes of a decode step that <see cref="GuideAndSample"/> has ended the next one, with no word from the host. What the step gave is kept at its
    /// place in <paramref name="decode"/>. A sequence is finished at an invalid step, a token that ends it, or its most tokens; the others draw with
    /// the next counter, and without bans from their fewest tokens on. Every row of a sequence that is not finished takes its token at the next
    /// position, whose block must be in the block table; rows of a finished one stay and would write the same keys and values again.
    /// </summary>
    /// <param name="guide">The sequences and what they drew.</param>
    /// <param name="decode">How far they may go.</param>
    /// <param name="batches">Forward passes of the step: one row for each branch.</param>
    /// <exception cref="ArgumentException">
    /// A sequence has gone all of <see cref="DecodeBatch.MaxSteps"/>, or its branches or stop tokens lie outside the batch. Only devices whose memory
    /// the host reads can tell: elsewhere rows must be right.
    /// </exception>
    public abstract void Advance(GuideBatch guide, DecodeBatch decode, ReadOnlySpan<ForwardBatch> batches);

    /// <summary>Decode steps worth queueing before the host looks at the results: 1 where asking costs nothing.</summary>
    public abstract int QueueDepth { get; }

    /// <summary>Rows of a forward pass that fill the device: more in one gain little.</summary>
    public abstract int FillingRows { get; }

    /// <summary>Guided sequences that a step of this device should have room for, to hold <paramref name="sequences"/>.</summary>
    public virtual int BatchBucket(int sequences) => sequences;

    /// <summary>
    /// Runs <paramref name="step"/> a number of times. Steps of one key must be the same launches with the same arguments: all that differs lies in
    /// device memory. So a device may record the first and replay it, and from the second on allocates and copies nothing.
    /// </summary>
    public virtual void Repeat(StepKey key, int times, Action step)
    {
        for (int i = 0; i < times; i++)
            step();
    }

    /// <summary>Takes memory of the host to read results with.</summary>
    public abstract Readback<T> AllocateReadback<T>(int length)
        where T : unmanaged;

    /// <summary>How often host and device dealt with each other so far.</summary>
    public virtual DeviceCounters Counters => default;

    /// <summary>
    /// One line for the user where an exception is a fault of this device (it was reset, lost, or a kernel failed); null where it is not.
    /// </summary>
    public virtual string? Explain(Exception error) => null;

    /// <summary>Waits for every kernel called so far.</summary>
    public abstract void Synchronize();

    /// <inheritdoc/>
    public abstract void Dispose();
}
