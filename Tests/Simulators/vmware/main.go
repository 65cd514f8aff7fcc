// A vCenter for the tests of the VMware driver: govmomi's simulator behind a front of ours.
//
// The front speaks TLS with a certificate that the test made, answers the few methods that the simulator of Debian's
// govmomi lacks (front.go), and misbehaves on request (control.go). The program ends when its standard input does, so
// that a test that dies leaves nothing behind.
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
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	model := simulator.VPX()
	user := flag.String("user", "administrator@vsphere.local", "user")
	pass := flag.String("pass", "secret", "password")
	cert := flag.String("cert", "", "PEM file with certificate")
	key := flag.String("key", "", "PEM file with key")
	verbose := flag.Bool("v", false, "write the simulator's log to standard error")
	flag.IntVar(&model.Cluster, "clusters", 1, "clusters")
	flag.IntVar(&model.ClusterHost, "hosts", 2, "hosts in each cluster")
	flag.IntVar(&model.Machine, "vms", 0, "foreign machines in each cluster")
	flag.IntVar(&model.Datastore, "datastores", 1, "datastores")
	port := flag.Int("port", 0, "port to listen on; 0 lets the system choose")
	firstScreen := flag.Int("vnc", 0, "first of the 16 VNC ports of each host; hosts then have addresses for names")
	flag.Parse()
	model.Host = 0
	if !*verbose {
		log.SetOutput(ioutil.Discard)
	}

	if err := model.Create(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(*user, *pass)}
	server := model.Service.NewServer()
	backend := &url.URL{Scheme: "http", Host: server.URL.Host}
	front := newFront(backend)
	var err error
	if front.operator, err = newOperator(backend, model.Service.Listen.User); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if *firstScreen > 0 {
		if err := serveScreens(*firstScreen, 16); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}

	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	address := listener.Addr().(*net.TCPAddr)
	front.address = address.String()
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	go func() { _ = (&http.Server{Handler: front, ErrorLog: log.New(ioutil.Discard, "", 0)}).Serve(listener) }()
	fmt.Printf("%d\n", address.Port)

	_, _ = io.Copy(ioutil.Discard, os.Stdin)
	server.Close()
	model.Remove()
}
