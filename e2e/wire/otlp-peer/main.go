// What OpenTelemetry's own collector understands of traces in OTLP as JSON: a request on stdin, the same anew on stdout.
package main

import (
	"fmt"
	"io"
	"os"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

func main() {
	if err := understand(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func understand() error {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	request := ptraceotlp.NewExportRequest()
	if err := request.UnmarshalJSON(body); err != nil {
		return err
	}
	understood, err := request.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(understood)
	return err
}
