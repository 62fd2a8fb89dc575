namespace Steer.Kernels.Tests.Ptx;

/// <summary>A kernel did what a card would not take, or what it would take and give no defined result for.</summary>
internal sealed class PtxFaultException(string message) : Exception(message);
