// Go's SSH and pkg/sftp: what programs built on them do. Arguments: host, port, user, key, a folder of this machine.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

func main() {
	host, port, user, key := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	pem, err := os.ReadFile(key)
	must(err)
	signer, err := ssh.ParsePrivateKey(pem)
	must(err)
	client, err := ssh.Dial("tcp", net.JoinHostPort(host, port), &ssh.ClientConfig{
		User: user,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		// The relay of the test is one of many hosts; OpenSSH's tests compare the key.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	must(err)
	runsCommand(client)
	transfers(client)
	dials(client)
	must(client.Close())
	fmt.Println("passed")
}

func runsCommand(client *ssh.Client) {
	session, err := client.NewSession()
	must(err)
	session.Stdin = strings.NewReader("in")
	out, err := session.Output("cat; exit 3")
	status, isExit := err.(*ssh.ExitError)
	check(isExit && status.ExitStatus() == 3, "the exit status is %v", err)
	check(string(out) == "in", "the output is %q", out)
}

func transfers(client *ssh.Client) {
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	must(err)
	defer files.Close()
	data := make([]byte, 5_000_000)
	rand.Read(data)
	there, err := files.Create("/data/go")
	must(err)
	_, err = there.ReadFrom(bytes.NewReader(data))
	must(err)
	must(there.Close())
	must(files.PosixRename("/data/go", "/data/go-2"))
	back, err := files.Open("/data/go-2")
	must(err)
	var received bytes.Buffer
	_, err = back.WriteTo(&received)
	must(err)
	check(bytes.Equal(received.Bytes(), data), "%d bytes came back otherwise", received.Len())
	space, err := files.StatVFS("/data")
	must(err)
	check(space.Bsize > 0, "statvfs says %v", space)
	must(files.Remove("/data/go-2"))
}

func dials(client *ssh.Client) {
	session, err := client.NewSession()
	must(err)
	ready, err := session.StdoutPipe()
	must(err)
	must(session.Start(`python3 -c "import socket; s = socket.create_server(('127.0.0.1', 18222)); ` +
		`print(flush=True); s.accept()[0].sendall(b'it is me')"`))
	_, err = ready.Read(make([]byte, 1))
	must(err)
	connection, err := client.Dial("tcp", "127.0.0.1:18222")
	must(err)
	said, err := io.ReadAll(connection)
	must(err)
	check(string(said) == "it is me", "the server said %q", said)
	_, err = client.Listen("tcp", "127.0.0.1:18223")
	check(err != nil, "remote forwarding was allowed")
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func check(holds bool, format string, values ...any) {
	if !holds {
		log.Fatalf(format, values...)
	}
}
