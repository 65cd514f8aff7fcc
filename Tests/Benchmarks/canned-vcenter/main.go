// A vCenter that says what it is told to say, fast: for measuring the client, not the server.
//
//	canned-vcenter -cert PEM -key PEM -machines N
//
// It knows the calls with which the VMware driver starts, mirrors an inventory of N machines and reads one state.
// Prints its port; ends when standard input does.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const pageMax = 1000

func guest(number int) string { return fmt.Sprintf("3b241101-e2bb-4255-8caf-%012x", number) }

func envelope(method, inner string) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		"<soapenv:Body><" + method + `Response xmlns="urn:vim25">` + inner + "</" + method +
		"Response></soapenv:Body></soapenv:Envelope>")
}

func reference(name, kind, value string) string {
	return "<" + name + ` type="` + kind + `">` + value + "</" + name + ">"
}

func property(wrapper, name, value string) string {
	operation := ""
	if wrapper == "changeSet" {
		operation = "<op>assign</op>"
	}
	return "<" + wrapper + "><name>" + name + "</name>" + operation + `<val xsi:type="xsd:string">` + value + "</val></" +
		wrapper + ">"
}

func referenceProperty(name, kind, value string) string {
	return "<propSet><name>" + name + "</name><val xsi:type=\"ManagedObjectReference\" type=\"" + kind + `">` + value +
		"</val></propSet>"
}

func notes(number int) string {
	return "name:server-" + strconv.Itoa(number) + "&#10;userid:1f2e3d4c5b6a79880123456789abcdef&#10;projectid:" +
		"00112233445566778899aabbccddeeff&#10;imageid:7d1c0b5e-2f6a-4a4e-9b60-6c5d6f1b8a10&#10;flavor:name:m1.small" +
		"&#10;flavor:memory_mb:2048&#10;flavor:vcpus:1&#10;flavor:ephemeral_gb:0&#10;flavor:root_gb:20&#10;" +
		"flavor:flavorid:2&#10;flavor:swap:0&#10;node:domain-c7.5a1f&#10;kilonova:guest=" + guest(number)
}

// What the driver mirrors of a machine.
func summary(wrapper string, number int) string {
	return property(wrapper, "name", fmt.Sprintf("server-%d (%s)", number, guest(number))) +
		property(wrapper, "runtime.powerState", "poweredOn") +
		property(wrapper, "config.instanceUuid", guest(number)) +
		property(wrapper, "config.annotation", notes(number)) + property(wrapper, "config.template", "false")
}

func device(kind string, key int, inner string) string {
	return `<VirtualDevice xsi:type="` + kind + `"><key>` + strconv.Itoa(key) + "</key><deviceInfo><label>" + kind +
		"</label><summary>of this machine</summary></deviceInfo>" + inner + "</VirtualDevice>"
}

// Everything that the driver reads of one machine.
func machine() string {
	option := func(key, value string) string {
		return "<OptionValue><key>" + key + `</key><value xsi:type="xsd:string">` + value + "</value></OptionValue>"
	}
	extra := option("kilonova.operation", "7") + option("kilonova.spawned_by", "7") + option("kilonova.complete", "yes")
	for number := 0; number < 20; number++ {
		extra += option(fmt.Sprintf("sched.swap.derivedName.%d", number), "/vmfs/volumes/datastore1/machine/x.vswp")
	}
	devices := device("VirtualIDEController", 200, "<busNumber>0</busNumber>") +
		device("VirtualLsiLogicController", 1000, "<busNumber>0</busNumber>") +
		device("VirtualDisk", 2000, "<backing xsi:type=\"VirtualDiskFlatVer2BackingInfo\"><fileName>[datastore1] "+
			"machine/machine.vmdk</fileName><diskMode>persistent</diskMode><uuid>6000C29e-1</uuid></backing>"+
			"<controllerKey>1000</controllerKey><unitNumber>0</unitNumber><capacityInKB>20971520</capacityInKB>") +
		device("VirtualVmxnet3", 4000, "<macAddress>fa:16:3e:00:00:01</macAddress><controllerKey>100</controllerKey>")
	return summary("propSet", 1) + referenceProperty("runtime.host", "HostSystem", "host-1") +
		"<propSet><name>config.extraConfig</name><val xsi:type=\"ArrayOfOptionValue\">" + extra + "</val></propSet>" +
		"<propSet><name>config.hardware.device</name><val xsi:type=\"ArrayOfVirtualDevice\">" + devices +
		"</val></propSet>" + property("propSet", "config.files.vmPathName", "[datastore1] machine/machine.vmx") +
		property("propSet", "config.hardware.numCPU", "1") + property("propSet", "config.hardware.memoryMB", "2048")
}

func object(kind, value, properties string) string {
	return "<objects>" + reference("obj", kind, value) + properties + "</objects>"
}

func entered(kind, value, properties string) string {
	return "<objectSet><kind>enter</kind>" + reference("obj", kind, value) + properties + "</objectSet>"
}

type server struct {
	machines                         int
	content, login, found, one, tree []byte
}

func newServer(machines int) *server {
	services := [][2]string{
		{"rootFolder", "Folder"}, {"propertyCollector", "PropertyCollector"}, {"viewManager", "ViewManager"},
		{"sessionManager", "SessionManager"}, {"searchIndex", "SearchIndex"}, {"fileManager", "FileManager"},
		{"virtualDiskManager", "VirtualDiskManager"},
	}
	content := ""
	for _, service := range services {
		content += reference(service[0], service[1], service[0])
	}
	content += "<about><fullName>canned vCenter 8.0</fullName><apiType>VirtualCenter</apiType><apiVersion>8.0" +
		"</apiVersion><version>8.0.0</version><instanceUuid>5a1f</instanceUuid></about>"
	tree := object("Folder", "rootFolder", property("propSet", "name", "Datacenters")) +
		object("Datacenter", "datacenter-2", property("propSet", "name", "DC0")+
			referenceProperty("parent", "Folder", "rootFolder")+referenceProperty("vmFolder", "Folder", "group-v3")) +
		object("Folder", "group-h4", property("propSet", "name", "host")+
			referenceProperty("parent", "Datacenter", "datacenter-2")) +
		object("ClusterComputeResource", "domain-c7", property("propSet", "name", "DC0_C0")+
			referenceProperty("parent", "Folder", "group-h4")+
			referenceProperty("resourcePool", "ResourcePool", "resgroup-8"))
	return &server{
		machines: machines,
		content:  envelope("RetrieveServiceContent", "<returnval>"+content+"</returnval>"),
		login:    envelope("Login", "<returnval><key>52a1</key><userName>bench</userName></returnval>"),
		found:    envelope("FindByUuid", reference("returnval", "VirtualMachine", "vm-1")),
		one: envelope("RetrievePropertiesEx",
			"<returnval>"+object("VirtualMachine", "vm-1", machine())+"</returnval>"),
		tree: envelope("RetrievePropertiesEx", "<returnval>"+tree+"</returnval>"),
	}
}

// A page of the first picture; the version says which comes next.
func (s *server) updates(version string) []byte {
	from, _ := strconv.Atoi(version)
	var page strings.Builder
	if from == 0 {
		change := func(name, value string) string { return property("changeSet", name, value) }
		page.WriteString(entered("HostSystem", "host-1", change("name", "host")+
			change("runtime.connectionState", "connected")+change("runtime.inMaintenanceMode", "false")+
			change("summary.hardware.numCpuThreads", "64")+change("summary.hardware.numCpuCores", "32")+
			change("summary.hardware.numCpuPkgs", "2")+change("summary.hardware.memorySize", "549755813888")))
		page.WriteString(entered("Datastore", "datastore-1", change("summary.name", "datastore1")+
			change("summary.capacity", "10995116277760")+change("summary.freeSpace", "5497558138880")+
			change("summary.accessible", "true")+change("summary.maintenanceMode", "normal")))
	}
	until := from + pageMax
	if until > s.machines {
		until = s.machines
	}
	for number := from; number < until; number++ {
		page.WriteString(entered("VirtualMachine", "vm-"+strconv.Itoa(number), summary("changeSet", number)))
	}
	truncated := ""
	if until < s.machines {
		truncated = "<truncated>true</truncated>"
	}
	// The version after the last page is no number: from there on nothing happens.
	next := strconv.Itoa(until)
	if until == s.machines {
		next = "calm"
	}
	return envelope("WaitForUpdatesEx", "<returnval><version>"+next+"</version><filterSet>"+page.String()+"</filterSet>"+
		truncated+"</returnval>")
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bytes, err := ioutil.ReadAll(r.Body)
	if err != nil {
		return
	}
	body := string(bytes)
	has := func(text string) bool { return strings.Contains(body, text) }
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	var answer []byte
	switch {
	case has("<FindByUuid"):
		answer = s.found
	case has("<RetrievePropertiesEx") && has("config.hardware.device"):
		answer = s.one
	case has("<RetrievePropertiesEx"):
		answer = s.tree
	case has("<RetrieveServiceContent"):
		answer = s.content
	case has("<Login"):
		w.Header().Set("Set-Cookie", "vmware_soap_session=canned; Path=/; HttpOnly")
		answer = s.login
	case has("<CreateListView"):
		answer = envelope("CreateListView", reference("returnval", "ListView", "view-1"))
	case has("<CreatePropertyCollector"):
		answer = envelope("CreatePropertyCollector", reference("returnval", "PropertyCollector", "collector-1"))
	case has("<CreateFilter"):
		answer = envelope("CreateFilter", reference("returnval", "PropertyFilter", "filter-1"))
	case has("<WaitForUpdatesEx") && has("<version>calm</version>"):
		select {
		case <-r.Context().Done():
		case <-time.After(60 * time.Second):
		}
		answer = envelope("WaitForUpdatesEx", "")
	case has("<WaitForUpdatesEx"):
		version := ""
		if at := strings.Index(body, "<version>"); at >= 0 {
			version = body[at+9 : at+9+strings.Index(body[at+9:], "<")]
		}
		answer = s.updates(version)
	case has("<Logout"):
		answer = envelope("Logout", "")
	default:
		w.WriteHeader(500)
		answer = []byte("<Envelope><Body><Fault><faultstring>not canned</faultstring><detail><NotSupportedFault/></detail>" +
			"</Fault></Body></Envelope>")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer)
}

func main() {
	cert := flag.String("cert", "", "PEM file with certificate")
	key := flag.String("key", "", "PEM file with key")
	machines := flag.Int("machines", 10, "machines in the inventory")
	flag.Parse()
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d\n", listener.Addr().(*net.TCPAddr).Port)
	secure := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	go func() {
		_ = (&http.Server{Handler: newServer(*machines), ErrorLog: log.New(ioutil.Discard, "", 0)}).Serve(secure)
	}()
	_, _ = io.Copy(ioutil.Discard, os.Stdin)
}
