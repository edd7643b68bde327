// Command kubectl is the client of the version the test bed's cluster runs.
//
// It is a second main, not part of the multi-call binary: inside that one it
// would add its size to the memory of every daemon.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	os.Exit(cli.Run(cmd.NewDefaultKubectlCommand()))
}
