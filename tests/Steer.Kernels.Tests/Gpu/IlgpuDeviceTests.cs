using ILGPU;
using ILGPU.Backends;
using ILGPU.Runtime;
using ILGPU.Runtime.OpenCL;
using Steer.Kernels.Gpu;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>What devices ILGPU offers, with and without a GPU's driver on this machine.</summary>
public sealed class IlgpuDeviceTests
{
    [Fact]
    public void The_emulator_is_always_listed_and_every_name_is_different()
    {
        IReadOnlyList<IlgpuDeviceInfo> devices = IlgpuDevice.List();
        Assert.Equal("ilgpu-cpu", devices[0].Name);
        Assert.False(devices[0].IsGpu);
        Assert.Equal(devices.Count, devices.Select(d => d.Name).Distinct().Count());
        Assert.All(devices, d => Assert.Matches("^(ilgpu-cpu|cuda:[0-9]+|opencl:[0-9]+)$", d.Name));
        Assert.All(devices, d => Assert.NotEmpty(d.Description));
    }

    [Theory]
    [InlineData("")]
    [InlineData("cpu")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:999")]
    [InlineData("cuda:1:2")]
    [InlineData("opencl:x")]
    [InlineData("opencl:999")]
    [InlineData("ilgpu-cpu:0")]
    public void A_device_that_is_not_there_is_refused_in_one_line_that_names_those_that_are(string name)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => IlgpuDevice.Create(name));
        Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
        Assert.Contains("ilgpu-cpu", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Every_listed_device_opens_as_what_its_name_says()
    {
        foreach (IlgpuDeviceInfo info in IlgpuDevice.List())
        {
            using IlgpuDevice device = IlgpuDevice.Create(info.Name);
            string kind = device.Accelerator.AcceleratorType switch
            {
                AcceleratorType.Cuda => "cuda",
                AcceleratorType.OpenCL => "opencl",
                _ => "ilgpu-cpu",
            };
            Assert.Equal(kind, info.Name.Split(':')[0]);
            Assert.Equal(info.Description, device.Description);
        }
    }

    [Fact]
    public void Devices_of_a_kind_take_the_same_code_and_it_outlives_the_one_that_compiled_it()
    {
        KernelSource kernel = KernelSource.Of<int>(Nothing);
        CompiledKernel first;
        using (IlgpuDevice device = IlgpuDevice.Create("ilgpu-cpu"))
        {
            first = CompiledKernels.Get(device.Accelerator, kernel);
            device.Launch(Nothing, 3, 0);
        }

        using IlgpuDevice second = IlgpuDevice.Create("ilgpu-cpu"), warps = IlgpuDevice.CreateWarpEmulator();
        foreach (IlgpuDevice device in new[] { second, warps })
        {
            device.Launch(Nothing, 3, 0);
            device.Synchronize();
            Assert.Same(first, CompiledKernels.Get(device.Accelerator, kernel));
        }
    }

    [Fact]
    public void What_a_device_made_may_be_disposed_after_it()
    {
        IlgpuDevice device = IlgpuDevice.Create("ilgpu-cpu");
        IDisposable[] made =
        [
            device.Allocate<float>(4),
            device.Pack([new MatrixWeight(new Matrix(2, 2))], DType.F32),
            device.CreateKvCache(new KvCacheShape(1, 1, 1, 4)),
        ];
        device.Dispose();
        Exception? thrown = Record.Exception(() =>
        {
            foreach (IDisposable part in made)
                part.Dispose();
            device.Dispose();
        });
        Assert.Null(thrown);
    }

    [Fact]
    public async Task A_device_may_be_handed_to_another_thread()
    {
        using IlgpuDevice device = IlgpuDevice.Create("ilgpu-cpu");
        using DeviceBuffer<float> buffer = device.Allocate<float>(3);
        buffer.Upload([1, 2, 3]);
        var tensor = new Tensor(buffer, 1, 3);
        for (int i = 0; i < 3; i++)
            await Task.Factory.StartNew(() => device.Add(tensor, tensor, 1), default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var numbers = new float[3];
        buffer.Download(numbers);
        Assert.Equal([8f, 16, 24], numbers);
    }

    [Theory]
    [InlineData("cuda")]
    [InlineData("opencl")]
    public void A_kind_without_a_number_is_its_first_device(string kind)
    {
        string? expected = IlgpuDevice.List().FirstOrDefault(d => d.Name == $"{kind}:0")?.Description;
        string? actual = null;
        Exception? error = Record.Exception(() =>
        {
            using IlgpuDevice device = IlgpuDevice.Create(kind);
            actual = device.Description;
        });
        Assert.Equal(expected, actual);
        Assert.Equal(expected is null, error is ArgumentException);
    }

    [Fact]
    public void A_fault_says_what_it_is_in_one_line()
    {
        using IlgpuDevice device = IlgpuDevice.Create("ilgpu-cpu");
        string? line = device.Explain(new CLException(CLError.CL_OUT_OF_RESOURCES));
        Assert.Contains("the device failed (CL_OUT_OF_RESOURCES)", line, StringComparison.Ordinal);
        Assert.Null(device.Explain(new InvalidOperationException("a fault of the program, not of the device")));
    }

    [Theory]
    [InlineData("cuda", "libcuda.so.1")]
    [InlineData("OpenCL", "libOpenCL.so.1")]
    [InlineData("nvvm", null)]
    public void On_Linux_drivers_are_found_by_the_names_under_which_they_are_installed(string library, string? file) =>
        Assert.Equal(OperatingSystem.IsLinux() ? file : null, DriverLibraries.FileOf(library));

    private static void Nothing(Index1D index, int parameter)
    {
    }
}
