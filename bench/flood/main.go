// Strangers: connections on which nobody ever logs in.
//
//	flood hold REQUEST    holds so many, and opens anew what was closed, until its standard input ends; prints a line when
//	                      each was open once, and JSON at the end: how many were opened, closed by the server, not opened
//	flood knock REQUEST   connects, exchanges keys, is refused for want of any key, leaves; prints JSON: all its seconds
//
// where REQUEST is JSON of `request`. Sources are 127.0.2.1 and those that follow it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

type request struct {
	Address   string `json:"address"`
	Sources   int    `json:"sources"`
	Count     int    `json:"count"`
	PerSecond int    `json:"perSecond"` // new connections, of `hold`
	AtOnce    int    `json:"atOnce"`    // of `knock`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) != 2 {
		return errors.New("usage: see main.go")
	}
	var asked request
	if err := json.Unmarshal([]byte(words[1]), &asked); err != nil {
		return err
	}
	switch words[0] {
	case "hold":
		return hold(asked)
	case "knock":
		return knock(asked)
	}
	return errors.New("usage: see main.go")
}

func (asked request) dial(index int) (net.Conn, error) {
	source := net.IPv4(127, 0, 2, byte(1+index%asked.Sources))
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: source}, Timeout: 10 * time.Second}
	return dialer.Dial("tcp", asked.Address)
}

func hold(asked request) error {
	var opened, closed, failed atomic.Int64
	var waiting sync.WaitGroup
	waiting.Add(asked.Count)
	tick := time.NewTicker(time.Second / time.Duration(asked.PerSecond))
	for index := range asked.Count {
		go func() {
			for first := true; ; {
				<-tick.C
				connection, err := asked.dial(index)
				if err != nil {
					failed.Add(1)
					continue
				}
				opened.Add(1)
				if first {
					first = false
					waiting.Done()
				}
				io.WriteString(connection, beginnings[index%len(beginnings)])
				io.Copy(io.Discard, connection)
				connection.Close()
				closed.Add(1)
			}
		}()
	}
	waiting.Wait()
	fmt.Println("all are there")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	counts := map[string]int64{"opened": opened.Load(), "closed": closed.Load(), "failed": failed.Load()}
	return json.NewEncoder(os.Stdout).Encode(counts)
}

// Nothing at all; who one is; the first half of a long packet; a slow ident.
var beginnings = []string{
	"",
	"SSH-2.0-stranger\r\n",
	"SSH-2.0-stranger\r\n\x00\x00\x80\x04\x04\x14" + strings.Repeat("x", 16_000),
	"SSH-2.0-str",
}

func knock(asked request) error {
	tickets := make(chan int, asked.Count)
	for index := range asked.Count {
		tickets <- index
	}
	close(tickets)
	config := &ssh.ClientConfig{User: "stranger", HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	begin := time.Now()
	var workers sync.WaitGroup
	for range asked.AtOnce {
		workers.Go(func() {
			for index := range tickets {
				connection, err := asked.dial(index)
				if err != nil {
					continue
				}
				// It must fail: what costs is what comes before.
				ssh.NewClientConn(connection, asked.Address, config)
				connection.Close()
			}
		})
	}
	workers.Wait()
	return json.NewEncoder(os.Stdout).Encode(time.Since(begin).Seconds())
}
