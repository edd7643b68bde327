// Peer is the other side of interoperability tests: HashiCorp's memberlist, which the original speaker uses.
//
//	peer vectors          writes golden vectors, as JSON
//	peer settings         says how it reads each of a list of configuration files
//	peer member [flags]   takes part in a ring and tells what it sees
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("say `vectors`, `settings` or `member`")
	}
	switch arguments[0] {
	case "vectors":
		return writeVectors(os.Stdout)
	case "settings":
		return readSettings(os.Stdin, os.Stdout)
	case "member":
		return member(arguments[1:])
	}
	return fmt.Errorf("unknown command %q: say `vectors`, `settings` or `member`", arguments[0])
}
