using System.Runtime.InteropServices;

namespace Steer.Kernels;

/// <summary>Where a guided sequence stands while several decode steps are queued.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DecodeRow
{
    /// <summary>Tokens of output with which the text ends.</summary>
    public int MaxTokens;

    /// <summary>Tokens of output from which on the bans of end-of-sequence and stop tokens are lifted.</summary>
    public int MinTokens;

    /// <summary>What <see cref="GuideRow.BiasCount"/> becomes then: the bans are the last of a sequence's biases.</summary>
    public int FreeBiasCount;

    /// <summary>First entry in <see cref="DecodeBatch.StopIds"/>.</summary>
    public int StopStart;

    /// <summary>Entries in <see cref="DecodeBatch.StopIds"/>: tokens that end this text.</summary>
    public int StopCount;

    /// <summary>
    /// 1 from the token on that ended the text: its rows stay where they are, and the step that they repeat changes nothing. Else 0.
    /// </summary>
    public int Finished;

    /// <summary>Steps since the batch was laid.</summary>
    public int Steps;
}

/// <summary>
/// What <see cref="Device.Advance"/> needs to go from one decode step to the next with no word from the host, and where it keeps what every
/// step gave. All arrays are in device memory.
/// </summary>
public sealed class DecodeBatch : IDisposable
{
    private readonly DeviceMemory _memory;

    /// <summary>Allocates room for a batch.</summary>
    /// <param name="device">Where the arrays live.</param>
    /// <param name="guide">The batch whose sequences move on.</param>
    /// <param name="maxSteps">Most steps queued at once.</param>
    /// <param name="maxStops">Most stop tokens of all sequences together.</param>
    public DecodeBatch(Device device, GuideBatch guide, int maxSteps, int maxStops)
    {
        _memory = new DeviceMemory(device);
        MaxSteps = maxSteps;
        Rows = _memory.Allocate<DecodeRow>(guide.Rows.Length);
        StopIds = _memory.Allocate<int>(Math.Max(1, maxStops));
        Results = _memory.Allocate<GuideResult>(maxSteps * guide.Results.Length);
        BranchLogProbs = _memory.Allocate<float>(maxSteps * guide.BranchLogProbs.Length);
        Alternatives = _memory.Allocate<TokenLogProb>(maxSteps * guide.Alternatives.Length);
    }

    /// <summary>Most steps queued at once.</summary>
    public int MaxSteps { get; }

    /// <summary>Branches of all sequences in these steps.</summary>
    public int Branches { get; set; }

    /// <summary>One for each sequence [sequences].</summary>
    public DeviceBuffer<DecodeRow> Rows { get; }

    /// <summary>Tokens that end texts.</summary>
    public DeviceBuffer<int> StopIds { get; }

    /// <summary>Out: <see cref="GuideBatch.Results"/> of every step [steps, sequences].</summary>
    public DeviceBuffer<GuideResult> Results { get; }

    /// <summary>Out: <see cref="GuideBatch.BranchLogProbs"/> of every step [steps, branches].</summary>
    public DeviceBuffer<float> BranchLogProbs { get; }

    /// <summary>Out: <see cref="GuideBatch.Alternatives"/> of every step [steps, sequences, MaxAlternatives].</summary>
    public DeviceBuffer<TokenLogProb> Alternatives { get; }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
