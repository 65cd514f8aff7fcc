package main

import (
	"fmt"
	"io/ioutil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

type disk struct {
	file   string
	parent string
}

// The file of a datastore path; "" for an unknown datastore.
func resolve(name string) string {
	end := strings.Index(name, "] ")
	if !strings.HasPrefix(name, "[") || end < 0 {
		return ""
	}
	for _, object := range simulator.Map.All("Datastore") {
		datastore := object.(*simulator.Datastore)
		if datastore.Name == name[1:end] {
			return filepath.Join(datastore.Info.GetDatastoreInfo().Url, name[end+2:])
		}
	}
	return ""
}

func flatOf(file string) string { return strings.TrimSuffix(file, ".vmdk") + "-flat.vmdk" }

func allDisks() []disk {
	var found []disk
	for _, object := range simulator.Map.All("VirtualMachine") {
		for _, device := range object.(*simulator.VirtualMachine).Config.Hardware.Device {
			drive, ok := device.(*types.VirtualDisk)
			if !ok {
				continue
			}
			if backing, ok := drive.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
				item := disk{file: backing.FileName}
				if backing.Parent != nil {
					item.parent = backing.Parent.FileName
				}
				found = append(found, item)
			}
		}
	}
	return found
}

// The disk that an unwritten linked clone leans on.
func parentOf(file string) string {
	for _, disk := range allDisks() {
		if disk.file != file || disk.parent == "" {
			continue
		}
		if info, err := os.Stat(flatOf(resolve(file))); err == nil && info.Size() == 0 {
			return disk.parent
		}
	}
	return ""
}

func isSparse(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	n, _ := f.Read(magic)
	return n == 4 && string(magic) == "KDMV"
}

func convert(source, target string) types.BaseMethodFault {
	output, err := exec.Command("qemu-img", "convert", "-f", "vmdk", "-O", "raw", source, flatOf(target)).CombinedOutput()
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%s\n", output)
		return new(types.InvalidDiskFormat)
	}
	_ = ioutil.WriteFile(target, []byte("# Disk DescriptorFile\n"), 0600)
	return nil
}

func copyFlat(source, target string) types.BaseMethodFault {
	if output, err := exec.Command("cp", "--sparse=always", flatOf(source), flatOf(target)).CombinedOutput(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%s\n", output)
		return new(types.FileNotFound)
	}
	_ = ioutil.WriteFile(target, []byte("# Disk DescriptorFile\n"), 0600)
	return nil
}

func allFiles() []string {
	var found []string
	for _, object := range simulator.Map.All("Datastore") {
		datastore := object.(*simulator.Datastore)
		root := datastore.Info.GetDatastoreInfo().Url
		_ = filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				relative, _ := filepath.Rel(root, path)
				found = append(found, fmt.Sprintf("[%s] %s\t%d", datastore.Name, relative, info.Size()))
			}
			return nil
		})
	}
	return found
}
