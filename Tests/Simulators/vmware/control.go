package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// A fault that the next calls of a method meet.
type plannedFault struct {
	kind  string
	inner string
	left  int
}

// What tests ask of the front, on paths that no vCenter has.
func (f *front) control(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(query.Get(name)); err == nil {
			return n
		}
		return otherwise
	}
	switch strings.TrimPrefix(r.URL.Path, "/control/") {
	case "expire": // every session ends
		f.mutex.Lock()
		f.cookies = map[string]bool{}
		for current := range f.running {
			current.isExpired = true
			current.cancel()
		}
		f.mutex.Unlock()
	case "fault": // the next `count` calls of `method` fail with `type`
		f.mutex.Lock()
		f.faults[query.Get("method")] = &plannedFault{query.Get("type"), query.Get("inner"), number("count", 1)}
		f.mutex.Unlock()
	case "slow": // the next call of a task method takes so long
		f.mutex.Lock()
		f.slow[query.Get("method")] = time.Duration(number("milliseconds", 1000)) * time.Millisecond
		f.mutex.Unlock()
	case "cut": // connections are cut now, and new ones are answered
		f.mutex.Lock()
		for current := range f.running {
			current.cancel()
		}
		f.mutex.Unlock()
	case "down": // connections are cut until "up"
		f.mutex.Lock()
		f.isDown = true
		for current := range f.running {
			current.cancel()
		}
		f.mutex.Unlock()
	case "hang": // calls are taken and not answered until "up"
		f.mutex.Lock()
		f.isHanging = true
		f.mutex.Unlock()
	case "up":
		f.mutex.Lock()
		f.isDown, f.isHanging = false, false
		f.mutex.Unlock()
	case "version": // the server says that it speaks this version of the API
		f.mutex.Lock()
		f.version = query.Get("api")
		f.mutex.Unlock()
	case "raw": // the next SOAP call is answered with this body
		body := make([]byte, 0)
		buffer := make([]byte, 65536)
		for {
			n, err := r.Body.Read(buffer)
			body = append(body, buffer[:n]...)
			if err != nil {
				break
			}
		}
		f.mutex.Lock()
		f.raw = append(f.raw, body)
		f.mutex.Unlock()
	case "calls": // names of the SOAP methods called so far
		f.mutex.Lock()
		_, _ = fmt.Fprint(w, strings.Join(f.calls, "\n"))
		f.mutex.Unlock()
	case "files": // every file of every datastore
		_, _ = fmt.Fprint(w, strings.Join(allFiles(), "\n"))
	case "machines": // name, power, processors and memory of every machine
		for _, object := range simulator.Map.All("VirtualMachine") {
			vm := object.(*simulator.VirtualMachine)
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", vm.Self.Value, vm.Name, vm.Runtime.PowerState,
				vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB)
		}
	case "world": // what can be left behind
		_, _ = fmt.Fprint(w, strings.Join(worldLines(), "\n"))
	case "shadow": // a machine that keeps a volume; its number
		machine, err := f.operator.make("volume-"+query.Get("id"), int64(number("gib", 1)))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, machine.Reference().Value)
	case "grow": // a shadow machine's disk
		if err := grow(query.Get("machine"), int64(number("gib", 1))); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case "foreign": // a machine of somebody else's; its instance UUID
		id, err := f.operator.makeForeign()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, id)
	case "state": // a machine's power state
		if vm := machineNamed(query.Get("machine")); vm != nil {
			_, _ = fmt.Fprint(w, vm.Runtime.PowerState)
		}
	case "remove":
		if err := f.operator.remove(query.Get("machine")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case "power": // a machine's power state changes by somebody else's hand
		for _, object := range simulator.Map.All("VirtualMachine") {
			vm := object.(*simulator.VirtualMachine)
			if vm.Config.InstanceUuid != query.Get("uuid") {
				continue
			}
			state := types.VirtualMachinePowerState(query.Get("state"))
			simulator.Map.WithLock(vm, func() {
				simulator.Map.Update(vm, []types.PropertyChange{{Name: "runtime.powerState", Val: state}})
			})
		}
	default:
		http.NotFound(w, r)
	}
}

// A task that takes its time, then does what the request asked for. It can be cancelled.
func (f *front) slowTask(c *call, duration time.Duration) string {
	var target mo.Reference = types.ManagedObjectReference{Type: c.kind, Value: c.object}
	cancelled := make(chan struct{})
	task := simulator.CreateTask(target, strings.TrimSuffix(c.method, "_Task"),
		func(t *simulator.Task) (types.AnyType, types.BaseMethodFault) {
			for step := 1; step <= 10; step++ {
				select {
				case <-cancelled:
					return nil, new(types.RequestCanceled)
				case <-time.After(duration / 10):
				}
				simulator.Map.Update(t, []types.PropertyChange{{Name: "info.progress", Val: int32(step * 10)}})
			}
			answer := f.answer(c)
			if answer == "" {
				answer = f.forward(c)
			}
			inner := valueOf(answer, "returnval")
			done, ok := simulator.Map.Get(types.ManagedObjectReference{Type: "Task", Value: inner}).(*simulator.Task)
			if !ok {
				return nil, new(types.InvalidState)
			}
			if done.Info.Error != nil {
				return nil, done.Info.Error.Fault.(types.BaseMethodFault)
			}
			return done.Info.Result, nil
		})
	f.mutex.Lock()
	f.cancels[task.Self.Value] = cancelled
	f.mutex.Unlock()
	go task.Run()
	return taskAnswer(c.method, task.Self)
}
