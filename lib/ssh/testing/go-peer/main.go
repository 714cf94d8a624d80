// Go's own SSH, with the key exchange mlkem768x25519-sha256 and no other, as a peer for our tests.
//
//	go-peer client ADDRESS USER-KEY HOST-KEY.PUB COUNT   logs in COUNT times
//	go-peer server HOST-KEY USER-KEY.PUB COUNT           prints its port, lets USER-KEY in COUNT times
package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/crypto/ssh"
)

var exchange = ssh.Config{KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519}}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 5 && args[0] == "client":
		return times(args[4], func() error { return logIn(args[1], args[2], args[3]) })
	case len(args) == 4 && args[0] == "server":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
		return times(args[3], func() error { return letIn(listener, args[1], args[2]) })
	}
	return errors.New("usage: see main.go")
}

func times(count string, step func() error) error {
	limit, err := strconv.Atoi(count)
	for round := 0; err == nil && round < limit; round++ {
		err = step()
	}
	return err
}

func logIn(address, userKey, hostKey string) error {
	user, err := privateKey(userKey)
	if err != nil {
		return err
	}
	host, err := publicKey(hostKey)
	if err != nil {
		return err
	}
	client, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		Config:          exchange,
		User:            "acme",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(user)},
		HostKeyCallback: ssh.FixedHostKey(host),
	})
	if err != nil {
		return err
	}
	return client.Close()
}

func letIn(listener net.Listener, hostKey, userKey string) error {
	host, err := privateKey(hostKey)
	if err != nil {
		return err
	}
	user, err := publicKey(userKey)
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{Config: exchange}
	config.AddHostKey(host)
	config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), user.Marshal()) {
			return nil, errors.New("another key")
		}
		return nil, nil
	}
	socket, err := listener.Accept()
	if err != nil {
		return err
	}
	connection, _, _, err := ssh.NewServerConn(socket, config)
	if err != nil {
		return err
	}
	// The client says goodbye.
	_ = connection.Wait()
	return nil
}

func privateKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(text)
}

func publicKey(path string) (ssh.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return key, err
}
