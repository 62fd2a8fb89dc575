using System.Globalization;
using System.Runtime.InteropServices;
using Steer.Cli;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;

// The first Ctrl+C ends cleanly, the second at once.
using var stop = new CancellationTokenSource();
int interruptedBy = 0;
void Interrupt(PosixSignalContext context)
{
    context.Cancel = !stop.IsCancellationRequested;
    interruptedBy = context.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Interrupted;
    stop.Cancel();
}

using var interrupts = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using var terminations = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);

using var terminal = StandardStreams.Open();
int code = await SteerProgram.RunAsync(args, terminal, stop.Token);
return code == ExitCode.Interrupted && interruptedBy != 0 ? interruptedBy : code;
