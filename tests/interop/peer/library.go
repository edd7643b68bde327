package main

import (
	"bytes"
	_ "unsafe" // for go:linkname

	_ "github.com/hashicorp/memberlist"
)

// The library's own functions for what goes over the wire. It exports none of them, so they are reached by name;
// a release that renames one fails to link. (library.s lets functions have no body.)

//go:linkname encode github.com/hashicorp/memberlist.encode
func encode(kind uint8, body any, newTimeFormat bool) (*bytes.Buffer, error)

//go:linkname makeCompoundMessage github.com/hashicorp/memberlist.makeCompoundMessage
func makeCompoundMessage(bodies [][]byte) *bytes.Buffer

//go:linkname compressPayload github.com/hashicorp/memberlist.compressPayload
func compressPayload(plain []byte, newTimeFormat bool) (*bytes.Buffer, error)

//go:linkname encryptPayload github.com/hashicorp/memberlist.encryptPayload
func encryptPayload(version uint8, key, plain, data []byte, out *bytes.Buffer) error

// What the library sends, field for field: bodies are maps by field name.

type ping struct {
	SeqNo      uint32
	Node       string
	SourceAddr []byte `codec:",omitempty"`
	SourcePort uint16 `codec:",omitempty"`
	SourceNode string `codec:",omitempty"`
}

type indirectPing struct {
	SeqNo      uint32
	Target     []byte
	Port       uint16
	Node       string
	Nack       bool
	SourceAddr []byte `codec:",omitempty"`
	SourcePort uint16 `codec:",omitempty"`
	SourceNode string `codec:",omitempty"`
}

type ack struct {
	SeqNo   uint32
	Payload []byte
}

type nack struct {
	SeqNo uint32
}

type failure struct {
	Error string
}

type accusation struct {
	Incarnation uint32
	Node        string
	From        string
}

type alive struct {
	Incarnation uint32
	Node        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Vsn         []uint8
}

// The kinds of messages, as the library numbers them.
const (
	kindPing = iota
	kindIndirectPing
	kindAck
	kindSuspect
	kindAlive
	kindDead
	kindPushPull
	kindCompound
	kindUser
	kindCompress
	kindEncrypt
	kindNack
	kindCrc
	kindError
)
