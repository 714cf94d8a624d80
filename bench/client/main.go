// The client of the benchmark: the same code talks to sshd and to the sidecar, which wants a word more (the assertion).
//
//	client REQUEST   where REQUEST is JSON of `request`; prints JSON: the seconds of each run, by target
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

type target struct {
	Address string `json:"address"`
	User    string `json:"user"`
	Key     string `json:"key"`     // path of the user's private key
	HostKey string `json:"hostKey"` // path of the server's public key
	// JSON of crds/identity-assertion.ts; empty for a server that asks for none.
	Assertion string `json:"assertion"`
}

type request struct {
	Targets []target `json:"targets"`
	// Each round visits the targets in turn.
	Rounds int `json:"rounds"`
	// Whether the time of connecting and logging in counts.
	Connect bool `json:"connect"`
	// Connections at once, each with one session.
	Streams int    `json:"streams"`
	Command string `json:"command"`
	// Bytes that each session sends to the command, and that it wants to have from it.
	Upload   int64 `json:"upload"`
	Download int64 `json:"download"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked request
	if len(os.Args) != 2 {
		return errors.New("usage: see main.go")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &asked); err != nil {
		return err
	}
	seconds := make([][]float64, len(asked.Targets))
	for round := 0; round < asked.Rounds; round++ {
		for index, server := range asked.Targets {
			elapsed, err := measure(server, asked)
			if err != nil {
				return fmt.Errorf("%s: %w", server.Address, err)
			}
			seconds[index] = append(seconds[index], elapsed.Seconds())
		}
	}
	return json.NewEncoder(os.Stdout).Encode(seconds)
}

func measure(server target, asked request) (time.Duration, error) {
	begin := time.Now()
	clients := make([]*ssh.Client, asked.Streams)
	for index := range clients {
		client, err := dial(server)
		if err != nil {
			return 0, err
		}
		defer client.Close()
		clients[index] = client
	}
	if !asked.Connect {
		begin = time.Now()
	}
	results := make(chan error, len(clients))
	for _, client := range clients {
		go func() { results <- session(client, asked) }()
	}
	for range clients {
		if err := <-results; err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func dial(server target) (*ssh.Client, error) {
	key, err := os.ReadFile(server.Key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(server.HostKey)
	if err != nil {
		return nil, err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, err
	}
	client, err := ssh.Dial("tcp", server.Address, &ssh.ClientConfig{
		// What both servers have: the same work for both.
		Config: ssh.Config{
			KeyExchanges: []string{ssh.KeyExchangeCurve25519},
			Ciphers:      []string{ssh.CipherAES128GCM},
		},
		User:            server.User,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
	if err != nil || server.Assertion == "" {
		return client, err
	}
	payload := ssh.Marshal(struct{ Text string }{server.Assertion})
	accepted, _, err := client.SendRequest("assert-identity@sshaccess.dev", true, payload)
	if err == nil && !accepted {
		err = errors.New("the assertion is refused")
	}
	return client, err
}

func session(client *ssh.Client, asked request) error {
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	input, err := session.StdinPipe()
	if err != nil {
		return err
	}
	output, err := session.StdoutPipe()
	if err != nil {
		return err
	}
	if err := session.Start(asked.Command); err != nil {
		return err
	}
	if asked.Upload > 0 {
		if _, err := io.CopyBuffer(struct{ io.Writer }{input}, io.LimitReader(zeros{}, asked.Upload), make([]byte, 1<<18)); err != nil {
			return err
		}
	}
	// EOF: the command has ended already, and its channel with it.
	if err := input.Close(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	received, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, output, make([]byte, 1<<18))
	if err == nil && received != asked.Download {
		err = fmt.Errorf("%d bytes came, not %d", received, asked.Download)
	}
	if err != nil {
		return err
	}
	return session.Wait()
}

type zeros struct{}

func (zeros) Read(buffer []byte) (int, error) {
	return len(buffer), nil
}
