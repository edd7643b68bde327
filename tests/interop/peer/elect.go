package main

import (
	"bytes"
	"crypto/sha256"
	"net"
)

// elect is the member that announces an address: the one with the least hash of its name, "#" and the address
// (contract 02 §2.2, rule 8).
func elect(names []string, address string) string {
	canonical := net.ParseIP(address).String()
	var winner string
	var least []byte
	for _, name := range names {
		hash := sha256.Sum256([]byte(name + "#" + canonical))
		if winner == "" || bytes.Compare(hash[:], least) < 0 {
			winner, least = name, hash[:]
		}
	}
	return winner
}
