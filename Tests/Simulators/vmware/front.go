package main

import (
	"bytes"
	"context"
	"fmt"
	"io/ioutil"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// What stands between the driver and the simulator.
//
// It answers itself, and only, what the simulator of govmomi 0.24.2 lacks:
//   - ExtendVirtualDisk_Task, AcquireTicket, AcquireMksTicket, RebootGuest, CancelTask;
//   - CopyVirtualDisk_Task of sparse disks (converted with qemu-img) and of linked clones;
//   - RelocateVM_Task between clusters, after which the simulator lists the machine where it was;
//   - the content of disks sent to an NFC lease, which the simulator throws away;
//   - refusing datastore files to those who did not log in.
type front struct {
	proxy   *httputil.ReverseProxy
	address string

	mutex   sync.Mutex
	cookies map[string]bool
	faults  map[string]*plannedFault
	slow    map[string]time.Duration
	cancels map[string]chan struct{}
	calls   []string
	raw     [][]byte
	isDown  bool
	version string
	running map[*flight]bool

	isHanging bool
	operator  *operator
}

// A request that is being answered.
type flight struct {
	cancel    context.CancelFunc
	isExpired bool
}

type flightKey struct{}

// One SOAP call.
type call struct {
	method string
	kind   string
	object string
	body   []byte
	header http.Header
}

const cookieName = "vmware_soap_session"

var (
	methodPattern     = regexp.MustCompile(`Body[^>]*>\s*<(?:\w+:)?(\w+)`)
	thisPattern       = regexp.MustCompile(`<_this type="(\w+)">([^<]+)<`)
	apiVersionPattern = regexp.MustCompile(`<apiVersion>[^<]*</apiVersion>`)
)

func newFront(backend *url.URL) *front {
	f := &front{
		proxy:   httputil.NewSingleHostReverseProxy(backend),
		cookies: map[string]bool{},
		faults:  map[string]*plannedFault{},
		slow:    map[string]time.Duration{},
		cancels: map[string]chan struct{}{},
		running: map[*flight]bool{},
	}
	// A call that is cut short ends without an answer, or with the news that its session has ended.
	f.proxy.ErrorHandler = func(w http.ResponseWriter, r *http.Request, _ error) {
		current, ok := r.Context().Value(flightKey{}).(*flight)
		if !ok || !current.isExpired {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprint(w, faultAnswer("NotAuthenticated", "the session has ended", ""))
	}
	f.proxy.ModifyResponse = func(r *http.Response) error {
		for _, cookie := range r.Cookies() {
			if cookie.Name == cookieName && cookie.Value != "" {
				f.mutex.Lock()
				f.cookies[cookie.Value] = true
				f.mutex.Unlock()
			}
		}
		return nil
	}
	return f
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/control/") {
		f.control(w, r)
		return
	}
	cut, cancel := context.WithCancel(r.Context())
	defer cancel()
	current := &flight{cancel: cancel}
	r = r.WithContext(context.WithValue(cut, flightKey{}, current))
	f.mutex.Lock()
	isDown, isHanging := f.isDown, f.isHanging
	f.running[current] = true
	f.mutex.Unlock()
	defer func() {
		f.mutex.Lock()
		delete(f.running, current)
		f.mutex.Unlock()
	}()
	if isDown {
		panic(http.ErrAbortHandler)
	}
	if isHanging {
		// Only when the caller has sent everything and goes away does the server tell.
		_, _ = ioutil.ReadAll(r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	known := f.knows(r)
	if !known {
		r.Header.Del("Cookie")
	}
	switch {
	case r.URL.Path == "/sdk":
		f.serveSOAP(w, r, known)
	case strings.HasPrefix(r.URL.Path, "/nfc/") && r.Method != http.MethodGet:
		f.serveUpload(w, r)
	case strings.HasPrefix(r.URL.Path, "/folder/") && !known:
		http.Error(w, "not logged in", http.StatusUnauthorized)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

func (f *front) knows(r *http.Request) bool {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.cookies[cookie.Value]
}

func (f *front) serveSOAP(w http.ResponseWriter, r *http.Request, known bool) {
	body, _ := ioutil.ReadAll(r.Body)
	c := &call{body: body, header: r.Header}
	if m := methodPattern.FindSubmatch(body); m != nil {
		c.method = string(m[1])
	}
	if m := thisPattern.FindSubmatch(body); m != nil {
		c.kind, c.object = string(m[1]), string(m[2])
	}
	f.mutex.Lock()
	f.calls = append(f.calls, c.method)
	var raw []byte
	if len(f.raw) > 0 {
		raw, f.raw = f.raw[0], f.raw[1:]
	}
	fault := f.faults[c.method]
	if fault != nil {
		if fault.left--; fault.left <= 0 {
			delete(f.faults, c.method)
		}
	}
	duration, isSlow := f.slow[c.method]
	delete(f.slow, c.method)
	f.mutex.Unlock()

	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	switch {
	case raw != nil:
		_, _ = w.Write(raw)
	case fault != nil:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprint(w, faultAnswer(fault.kind, "planned by the test", fault.inner))
	case isSlow && known:
		_, _ = fmt.Fprint(w, f.slowTask(c, duration))
	default:
		if known {
			if answer := f.answer(c); answer != "" {
				if strings.Contains(answer, "<soapenv:Fault>") {
					w.WriteHeader(http.StatusInternalServerError)
				}
				_, _ = fmt.Fprint(w, answer)
				return
			}
		}
		f.mutex.Lock()
		version := f.version
		f.mutex.Unlock()
		if version != "" && c.method == "RetrieveServiceContent" {
			told := "<apiVersion>" + version + "</apiVersion>"
			_, _ = fmt.Fprint(w, apiVersionPattern.ReplaceAllLiteralString(f.forward(c), told))
			return
		}
		r.Body = ioutil.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		f.proxy.ServeHTTP(w, r)
	}
}

// Sends a call to the simulator.
func (f *front) forward(c *call) string {
	request := httptest.NewRequest(http.MethodPost, "/sdk", bytes.NewReader(c.body))
	request.Header = c.header.Clone()
	recorder := httptest.NewRecorder()
	f.proxy.ServeHTTP(recorder, request)
	return recorder.Body.String()
}

// Answers what the simulator lacks; "" leaves it to the simulator.
func (f *front) answer(c *call) string {
	switch c.method {
	case "AcquireMksTicket":
		return envelope(c.method, `<returnval><ticket>mks-ticket</ticket><cfgFile>x.vmx</cfgFile>`+
			`<host>127.0.0.1</host><port>902</port><sslThumbprint>00</sslThumbprint></returnval>`)
	case "AcquireTicket":
		host, port, _ := net.SplitHostPort(f.address)
		return envelope(c.method, `<returnval><ticket>web-ticket</ticket><cfgFile>x.vmx</cfgFile>`+
			`<host>`+host+`</host><port>`+port+`</port><sslThumbprint>00</sslThumbprint></returnval>`)
	case "RebootGuest":
		return faultAnswer("ToolsUnavailable", "no tools run in the guest", "")
	case "RelocateVM_Task":
		answer := f.forward(c)
		settle(types.ManagedObjectReference{Type: c.kind, Value: c.object})
		return answer
	case "CancelTask":
		f.mutex.Lock()
		defer f.mutex.Unlock()
		if cancelled, ok := f.cancels[c.object]; ok {
			delete(f.cancels, c.object)
			close(cancelled)
		}
		return envelope(c.method, "")
	case "ExtendVirtualDisk_Task":
		return f.task(c, func() types.BaseMethodFault {
			flat := flatOf(resolve(valueOf(string(c.body), "name")))
			var kib int64
			_, _ = fmt.Sscan(valueOf(string(c.body), "newCapacityKb"), &kib)
			info, err := os.Stat(flat)
			if err != nil {
				return new(types.FileNotFound)
			}
			if info.Size() > kib*1024 {
				return &types.InvalidArgument{InvalidProperty: "newCapacityKb"}
			}
			_ = os.Truncate(flat, kib*1024)
			return nil
		})
	case "CopyVirtualDisk_Task":
		source := resolve(valueOf(string(c.body), "sourceName"))
		target := resolve(valueOf(string(c.body), "destName"))
		switch {
		case isSparse(source):
			return f.task(c, func() types.BaseMethodFault { return convert(source, target) })
		case parentOf(valueOf(string(c.body), "sourceName")) != "":
			parent := resolve(parentOf(valueOf(string(c.body), "sourceName")))
			return f.task(c, func() types.BaseMethodFault { return copyFlat(parent, target) })
		}
	}
	return ""
}

// Lists a machine in the pool and on the host that it names, and nowhere else.
func settle(ref types.ManagedObjectReference) {
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	for _, object := range simulator.Map.All("ResourcePool") {
		pool := object.(*simulator.ResourcePool)
		simulator.Map.RemoveReference(pool, &pool.Vm, ref)
		if vm.ResourcePool != nil && pool.Self == *vm.ResourcePool {
			simulator.Map.AppendReference(pool, &pool.Vm, ref)
		}
	}
	for _, object := range simulator.Map.All("HostSystem") {
		host := object.(*simulator.HostSystem)
		simulator.Map.RemoveReference(host, &host.Vm, ref)
		if vm.Runtime.Host != nil && host.Self == *vm.Runtime.Host {
			simulator.Map.AppendReference(host, &host.Vm, ref)
		}
	}
}

func (f *front) task(c *call, work func() types.BaseMethodFault) string {
	target := types.ManagedObjectReference{Type: c.kind, Value: c.object}
	task := simulator.CreateTask(target, strings.TrimSuffix(c.method, "_Task"),
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			if fault := work(); fault != nil {
				return nil, fault
			}
			return nil, nil
		})
	return taskAnswer(c.method, task.Run())
}

// Takes a disk that is sent to an NFC lease, as an ESX host would.
func (f *front) serveUpload(w http.ResponseWriter, r *http.Request) {
	name := filepath.Base(r.URL.Path)
	body, _ := ioutil.ReadAll(r.Body)
	var fault types.BaseMethodFault = new(types.FileNotFound)
	for _, disk := range allDisks() {
		if strings.HasSuffix(disk.file, "/"+name) {
			target := resolve(disk.file)
			upload := target + ".upload"
			_ = ioutil.WriteFile(upload, body, 0600)
			if isSparse(upload) {
				fault = convert(upload, target)
			} else {
				fault = new(types.InvalidDiskFormat)
			}
			_ = os.Remove(upload)
		}
	}
	if fault != nil {
		http.Error(w, fmt.Sprintf("%T", fault), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func valueOf(body, name string) string {
	m := regexp.MustCompile(`<` + name + `(?: [^>]*)?>([^<]*)<`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&").Replace(m[1])
}

func envelope(method, inner string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope ` +
		`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><` + method + `Response ` +
		`xmlns="urn:vim25">` + inner + `</` + method + `Response></soapenv:Body></soapenv:Envelope>`
}

func taskAnswer(method string, ref types.ManagedObjectReference) string {
	return envelope(method, `<returnval type="Task">`+ref.Value+`</returnval>`)
}

func faultAnswer(kind, text, inner string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope ` +
		`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>` +
		`<faultcode>ServerFaultCode</faultcode><faultstring>` + text + `</faultstring><detail><` + kind + `Fault ` +
		`xmlns="urn:vim25" xsi:type="` + kind + `">` + inner + `</` + kind + `Fault></detail></soapenv:Fault>` +
		`</soapenv:Body></soapenv:Envelope>`
}
