package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// What exists and can be left behind, a line each: machines with their devices, and files but for cached images and
// what a machine has only while it runs. Lines about a machine name its instance UUID.
func worldLines() []string {
	var lines []string
	for _, entity := range simulator.Map.All("VirtualMachine") {
		vm := entity.(*simulator.VirtualMachine)
		id := vm.Config.InstanceUuid
		lines = append(lines, fmt.Sprintf("machine %s %s", id, vm.Self.Value))
		for _, device := range vm.Config.Hardware.Device {
			switch backing := device.GetVirtualDevice().Backing.(type) {
			case *types.VirtualDiskFlatVer2BackingInfo:
				lines = append(lines, fmt.Sprintf("disk %s %s", id, backing.FileName))
			case *types.VirtualCdromIsoBackingInfo:
				lines = append(lines, fmt.Sprintf("cdrom %s %s", id, backing.FileName))
			}
			if card, ok := device.(types.BaseVirtualEthernetCard); ok {
				lines = append(lines, fmt.Sprintf("card %s %s", id, card.GetVirtualEthernetCard().MacAddress))
			}
		}
		if vm.Snapshot != nil {
			lines = append(lines, fmt.Sprintf("snapshots %s %d", id, len(vm.Snapshot.RootSnapshotList)))
		}
	}
	for _, file := range allFiles() {
		name := strings.Split(file, "\t")[0]
		if strings.Contains(name, "] _base") || strings.HasSuffix(name, ".vswp") || strings.HasSuffix(name, ".log") {
			continue
		}
		lines = append(lines, "file "+name)
	}
	return lines
}

// What somebody else does on this vCenter, by its API: the volume service's shadow machines, and foreign machines.
type operator struct {
	client *govmomi.Client
	finder *find.Finder
}

func newOperator(backend *url.URL, user *url.Userinfo) (*operator, error) {
	address := &url.URL{Scheme: backend.Scheme, Host: backend.Host, Path: "/sdk", User: user}
	client, err := govmomi.NewClient(context.Background(), address, true)
	if err != nil {
		return nil, err
	}
	finder := find.NewFinder(client.Client, false)
	datacenter, err := finder.DefaultDatacenter(context.Background())
	if err != nil {
		return nil, err
	}
	return &operator{client, finder.SetDatacenter(datacenter)}, nil
}

// Makes a machine in the first cluster, with one disk when gib is not 0.
func (o *operator) make(name string, gib int64) (*object.VirtualMachine, error) {
	ctx := context.Background()
	folder, err := o.finder.DefaultFolder(ctx)
	if err != nil {
		return nil, err
	}
	pool, err := o.finder.ResourcePool(ctx, "DC0_C0/Resources")
	if err != nil {
		return nil, err
	}
	datastore, err := o.finder.Datastore(ctx, "LocalDS_0")
	if err != nil {
		return nil, err
	}
	spec := types.VirtualMachineConfigSpec{
		Name: name, GuestId: "otherGuest64", NumCPUs: 1, MemoryMB: 32,
		Files: &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_0]"},
	}
	if gib > 0 {
		var devices object.VirtualDeviceList
		controller, err := devices.CreateSCSIController("lsilogic")
		if err != nil {
			return nil, err
		}
		devices = append(devices, controller)
		disk := devices.CreateDisk(controller.(types.BaseVirtualController), datastore.Reference(), "")
		disk.CapacityInKB = gib << 20
		devices = append(devices, disk)
		spec.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
		if err != nil {
			return nil, err
		}
	}
	task, err := folder.CreateVM(ctx, spec, pool, nil)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return nil, err
	}
	return object.NewVirtualMachine(o.client.Client, info.Result.(types.ManagedObjectReference)), nil
}

// A machine that runs and that no driver made; its instance UUID.
func (o *operator) makeForeign() (string, error) {
	machine, err := o.make("foreign", 0)
	if err != nil {
		return "", err
	}
	task, err := machine.PowerOn(context.Background())
	if err != nil {
		return "", err
	}
	if err := task.Wait(context.Background()); err != nil {
		return "", err
	}
	return simulator.Map.Get(machine.Reference()).(*simulator.VirtualMachine).Config.InstanceUuid, nil
}

// Removes a machine, by its name, its number or its instance UUID; one that is gone is fine.
func (o *operator) remove(name string) error {
	ctx := context.Background()
	vm := machineNamed(name)
	if vm == nil {
		return nil
	}
	machine := object.NewVirtualMachine(o.client.Client, vm.Self)
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		if task, err := machine.PowerOff(ctx); err == nil {
			_ = task.Wait(ctx)
		}
	}
	task, err := machine.Destroy(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func machineNamed(name string) *simulator.VirtualMachine {
	for _, entity := range simulator.Map.All("VirtualMachine") {
		vm := entity.(*simulator.VirtualMachine)
		if vm.Name == name || vm.Self.Value == name || vm.Config.InstanceUuid == name {
			return vm
		}
	}
	return nil
}

// Makes the disk of a shadow machine larger, as the volume service does before it tells the hypervisor.
func grow(name string, gib int64) error {
	vm := machineNamed(name)
	if vm == nil {
		return fmt.Errorf("there is no machine %s", name)
	}
	for _, device := range vm.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			backing := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			return os.Truncate(flatOf(resolve(backing.FileName)), gib<<30)
		}
	}
	return fmt.Errorf("machine %s has no disk", name)
}

// Gives hosts addresses of the loopback in the place of their names, where every port of a range answers as a VNC
// server does. A guest that does not run has one too: who asks for a screen must have looked before.
func serveScreens(first, count int) error {
	for number, entity := range simulator.Map.All("HostSystem") {
		host := entity.(*simulator.HostSystem)
		host.Name = fmt.Sprintf("127.0.2.%d", number+1)
		host.Summary.Config.Name = host.Name
		for port := first; port < first+count; port++ {
			listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host.Name, port))
			if err != nil {
				return err
			}
			go func() {
				for {
					connection, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = connection.Write([]byte("RFB 003.008\n"))
					_ = connection.Close()
				}
			}()
		}
	}
	return nil
}
