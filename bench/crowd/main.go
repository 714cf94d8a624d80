// Many clients, and the pod that they are led to.
//
//	crowd serve ADDRESS HOSTKEY SOFTWARE   a pod that lets in everybody: `exec` ends with 0, a shell stays
//	crowd rate REQUEST   connects, runs a command, leaves; prints JSON: the seconds that all of it took
//	crowd hold REQUEST   connects, starts a shell, prints a line, and stays until its standard input ends
//
// where REQUEST is JSON of `request`.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

type request struct {
	Address string `json:"address"`
	User    string `json:"user"`
	// The users are User-0, User-1, …: so many, in turns. A user has only so many sessions.
	Users   int    `json:"users"`
	Key     string `json:"key"`     // path of the user's private key
	HostKey string `json:"hostKey"` // path of the server's public key
	Count   int    `json:"count"`
	AtOnce  int    `json:"atOnce"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	switch {
	case len(words) == 4 && words[0] == "serve":
		return serve(words[1], words[2], words[3])
	case len(words) == 2 && words[0] == "rate":
		return rate(words[1])
	case len(words) == 2 && words[0] == "hold":
		return hold(words[1])
	}
	return errors.New("usage: see main.go")
}

func serve(address, hostKey, software string) error {
	signer, err := readSigner(hostKey)
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{
		ServerVersion:     "SSH-2.0-" + software,
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
	}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go serveConnection(connection, config)
	}
}

func serveConnection(connection net.Conn, config *ssh.ServerConfig) {
	server, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		connection.Close()
		return
	}
	defer server.Close()
	// The assertion of the identity is one of these.
	go func() {
		for request := range requests {
			request.Reply(true, nil)
		}
	}()
	for channel := range channels {
		accepted, requests, err := channel.Accept()
		if err != nil {
			return
		}
		go serveSession(accepted, requests)
	}
}

func serveSession(channel ssh.Channel, requests <-chan *ssh.Request) {
	for request := range requests {
		request.Reply(true, nil)
		if request.Type == "exec" {
			channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
			channel.Close()
		}
	}
}

func rate(text string) error {
	asked, config, err := prepare(text)
	if err != nil {
		return err
	}
	begin := time.Now()
	err = asked.all(func(number int) error {
		client, session, err := open(asked, *config, number)
		if err != nil {
			return err
		}
		defer client.Close()
		return session.Run("true")
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(time.Since(begin).Seconds())
}

func hold(text string) error {
	asked, config, err := prepare(text)
	if err != nil {
		return err
	}
	err = asked.all(func(number int) error {
		_, session, err := open(asked, *config, number)
		if err != nil {
			return err
		}
		return session.Shell()
	})
	if err != nil {
		return err
	}
	fmt.Println("all are there")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// all does it `Count` times, `AtOnce` at a time; the first error ends it.
func (asked request) all(work func(number int) error) error {
	tickets := make(chan int, asked.Count)
	for number := range asked.Count {
		tickets <- number
	}
	close(tickets)
	failed := make(chan error, asked.AtOnce)
	var workers sync.WaitGroup
	for range asked.AtOnce {
		workers.Go(func() {
			for number := range tickets {
				if err := work(number); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(failed)
	return <-failed
}

func open(asked request, config ssh.ClientConfig, number int) (*ssh.Client, *ssh.Session, error) {
	config.User = fmt.Sprintf("%s-%d", asked.User, number%asked.Users)
	client, err := ssh.Dial("tcp", asked.Address, &config)
	if err != nil {
		return nil, nil, err
	}
	session, err := client.NewSession()
	return client, session, err
}

func prepare(text string) (request, *ssh.ClientConfig, error) {
	var asked request
	if err := json.Unmarshal([]byte(text), &asked); err != nil {
		return asked, nil, err
	}
	signer, err := readSigner(asked.Key)
	if err != nil {
		return asked, nil, err
	}
	line, err := os.ReadFile(asked.HostKey)
	if err != nil {
		return asked, nil, err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey(line)
	return asked, &ssh.ClientConfig{
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(hostKey),
	}, err
}

func readSigner(path string) (ssh.Signer, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(pem)
}
