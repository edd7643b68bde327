package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
)

// hexed is bytes that read as hexadecimal digits in JSON.
type hexed []byte

func (bytes hexed) MarshalJSON() ([]byte, error) {
	return json.Marshal(hex.EncodeToString(bytes))
}

// vectors is all that is written.
type vectors struct {
	ProducedBy string          `json:"produced_by"`
	Keys       []keyVector     `json:"keys"`
	Messages   []messageVector `json:"messages"`
	Packets    []packetVector  `json:"packets"`
	Streams    []streamVector  `json:"streams"`
}

// keyVector is a secret as it stands in its file, and the key made from it.
type keyVector struct {
	Secret hexed `json:"secret"`
	Key    hexed `json:"key"`
}

// messageVector is one message: its fields, and its bytes with the kind in front.
type messageVector struct {
	Name   string `json:"name"`
	Kind   int    `json:"kind"`
	Fields any    `json:"fields"`
	Bytes  hexed  `json:"bytes"`
}

// packetVector is one datagram, and the bodies it carries.
type packetVector struct {
	Name   string  `json:"name"`
	Key    hexed   `json:"key,omitempty"`
	Bodies []hexed `json:"bodies"`
	Bytes  hexed   `json:"bytes"`
}

// streamVector is what one side of a connection sends.
type streamVector struct {
	Name  string `json:"name"`
	Key   hexed  `json:"key,omitempty"`
	Bytes hexed  `json:"bytes"`
	Nodes []node `json:"nodes,omitempty"`
}

// node is a member as a push/pull has to describe it.
type node struct {
	Name string `json:"name"`
	Addr string `json:"addr"`
	Port int    `json:"port"`
	Meta hexed  `json:"meta"`
}

func writeVectors(out io.Writer) error {
	messages, err := messageVectors()
	if err != nil {
		return err
	}
	packets, err := packetVectors(messages)
	if err != nil {
		return err
	}
	streams, err := streamVectors(messages)
	if err != nil {
		return err
	}
	captured, err := captureRings()
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(vectors{
		ProducedBy: "github.com/hashicorp/memberlist v0.5.1",
		Keys:       keyVectors(),
		Messages:   messages,
		Packets:    append(packets, captured.packets...),
		Streams:    append(streams, captured.streams...),
	})
}

// deriveKey is how the original speaker makes its key: Sum appends the hash of nothing to the secret.
func deriveKey(secret []byte) []byte {
	return sha256.New().Sum(secret)[:32]
}

func keyVectors() []keyVector {
	secrets := [][]byte{
		nil,
		[]byte("a"),
		[]byte("with a newline\n"),
		[]byte("6Xk0J1mTtZ0rWq9yB3sVfA"), // what a controller makes: 16 random bytes in base64
		bytes.Repeat([]byte("x"), 31),
		bytes.Repeat([]byte("x"), 32),
		bytes.Repeat([]byte("x"), 33),
		{0xff, 0x00, 0xc3, 0x28}, // no text
	}
	var made []keyVector
	for _, secret := range secrets {
		made = append(made, keyVector{Secret: secret, Key: deriveKey(secret)})
	}
	return made
}

var (
	four     = net.IPv4(192, 0, 2, 11).To4()
	mapped   = net.IPv4(192, 0, 2, 11).To16()
	six      = net.ParseIP("2001:db8::11")
	versions = []uint8{1, 5, 2, 0, 0, 0}
	long     = strings.Repeat("n", 63) + "." + strings.Repeat("m", 200)
)

func messageVectors() ([]messageVector, error) {
	bodies := []struct {
		name string
		kind int
		body any
	}{
		{"ping", kindPing, ping{SeqNo: 7, Node: "n1", SourceAddr: four, SourcePort: 7946, SourceNode: "n2"}},
		{"ping, IPv6 source", kindPing, ping{SeqNo: 1 << 16, Node: "n1", SourceAddr: six, SourcePort: 7946, SourceNode: "n2"}},
		{"ping, IPv4-mapped source", kindPing, ping{SeqNo: 128, Node: "n1", SourceAddr: mapped, SourcePort: 1, SourceNode: "n2"}},
		{"ping of an old member, without source", kindPing, ping{SeqNo: 1<<32 - 1, Node: "n1"}},
		{"ping of a long name", kindPing, ping{SeqNo: 0, Node: long}},
		{"indirect ping with nack", kindIndirectPing, indirectPing{SeqNo: 8, Target: four, Port: 7946, Node: "n3", Nack: true, SourceAddr: four, SourcePort: 7946, SourceNode: "n1"}},
		{"indirect ping of an old member", kindIndirectPing, indirectPing{SeqNo: 9, Target: six, Port: 7946, Node: "n3"}},
		{"ack", kindAck, ack{SeqNo: 7}},
		{"ack with payload", kindAck, ack{SeqNo: 255, Payload: []byte{0, 1, 0xff}}},
		{"nack", kindNack, nack{SeqNo: 300}},
		{"suspect", kindSuspect, accusation{Incarnation: 3, Node: "n1", From: "n2"}},
		{"dead", kindDead, accusation{Incarnation: 70000, Node: "n1", From: "n2"}},
		{"dead by its own word: it leaves", kindDead, accusation{Incarnation: 4, Node: "n1", From: "n1"}},
		{"alive", kindAlive, alive{Incarnation: 1, Node: "n1", Addr: four, Port: 7946, Vsn: versions}},
		{"alive, IPv6", kindAlive, alive{Incarnation: 1, Node: "n1", Addr: six, Port: 7946, Vsn: versions}},
		{"alive with metadata", kindAlive, alive{Incarnation: 200, Node: "n1", Addr: mapped, Port: 65535, Meta: []byte{1, 2, 0x80, 0xff}, Vsn: versions}},
		{"alive with all the metadata there may be", kindAlive, alive{Incarnation: 1<<32 - 1, Node: long, Addr: four, Port: 7946, Meta: bytes.Repeat([]byte{0xa5}, 512), Vsn: versions}},
		{"alive of an old member, without versions", kindAlive, alive{Incarnation: 1, Node: "n1", Addr: four, Port: 7946}},
		{"error", kindError, failure{Error: "Remote node state is encrypted and encryption is not configured"}},
	}
	var made []messageVector
	for _, each := range bodies {
		encoded, err := encode(uint8(each.kind), each.body, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", each.name, err)
		}
		made = append(made, messageVector{each.name, each.kind, readable(each.body), encoded.Bytes()})
	}
	return made, nil
}

// readable is the message with its bytes as hexadecimal digits.
func readable(body any) any {
	switch body := body.(type) {
	case ping:
		return map[string]any{"SeqNo": body.SeqNo, "Node": body.Node, "SourceAddr": hexed(body.SourceAddr), "SourcePort": body.SourcePort, "SourceNode": body.SourceNode}
	case indirectPing:
		return map[string]any{"SeqNo": body.SeqNo, "Target": hexed(body.Target), "Port": body.Port, "Node": body.Node, "Nack": body.Nack, "SourceAddr": hexed(body.SourceAddr), "SourcePort": body.SourcePort, "SourceNode": body.SourceNode}
	case ack:
		return map[string]any{"SeqNo": body.SeqNo, "Payload": hexed(body.Payload)}
	case alive:
		return map[string]any{"Incarnation": body.Incarnation, "Node": body.Node, "Addr": hexed(body.Addr), "Port": body.Port, "Meta": hexed(body.Meta), "Vsn": hexed(body.Vsn)}
	}
	return body
}

func crced(plain []byte) []byte {
	framed := append([]byte{kindCrc}, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(framed[1:], crc32.ChecksumIEEE(plain))
	return append(framed, plain...)
}

func compressed(plain []byte) ([]byte, error) {
	buffer, err := compressPayload(plain, false)
	if err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func encrypted(version uint8, key, plain []byte) ([]byte, error) {
	var sealed bytes.Buffer
	err := encryptPayload(version, key, plain, nil, &sealed)
	return sealed.Bytes(), err
}

// packetVectors are every combination of frames around one body and around several.
func packetVectors(messages []messageVector) ([]packetVector, error) {
	one := [][]byte{messages[0].Bytes}
	var all [][]byte
	for _, message := range messages {
		if message.Kind != kindError {
			all = append(all, message.Bytes)
		}
	}
	key := deriveKey([]byte("6Xk0J1mTtZ0rWq9yB3sVfA"))
	var made []packetVector
	for _, content := range []struct {
		name   string
		bodies [][]byte
		plain  []byte
	}{
		{"one body", one, one[0]},
		{"compound", all, makeCompoundMessage(all).Bytes()},
		{"compound of one", one, makeCompoundMessage(one).Bytes()},
	} {
		shrunk, err := compressed(content.plain)
		if err != nil {
			return nil, err
		}
		for _, frame := range []struct {
			name  string
			bytes []byte
		}{
			{"", content.plain},
			{", crc", crced(content.plain)},
			{", compressed", shrunk},
			{", compressed, crc", crced(shrunk)},
		} {
			add := func(name string, key, sealed []byte) {
				bodies := make([]hexed, len(content.bodies))
				for index, body := range content.bodies {
					bodies[index] = body
				}
				made = append(made, packetVector{content.name + frame.name + name, key, bodies, sealed})
			}
			add("", nil, frame.bytes)
			for _, cipher := range []struct {
				name    string
				version uint8
				key     []byte
			}{
				{", AES-256", 1, key},
				{", AES-128", 1, key[:16]},
				{", AES-256 with padding (protocol 1)", 0, key},
			} {
				sealed, err := encrypted(cipher.version, cipher.key, frame.bytes)
				if err != nil {
					return nil, err
				}
				add(cipher.name, cipher.key, sealed)
			}
		}
	}
	return made, nil
}

// streamVectors are the small messages that go over a stream; push/pulls are captured.
func streamVectors(messages []messageVector) ([]streamVector, error) {
	var made []streamVector
	for _, message := range messages {
		if message.Kind != kindPing && message.Kind != kindAck && message.Kind != kindError {
			continue
		}
		shrunk, err := compressed(message.Bytes)
		if err != nil {
			return nil, err
		}
		made = append(made,
			streamVector{Name: message.Name, Bytes: message.Bytes},
			streamVector{Name: message.Name + ", compressed", Bytes: shrunk},
		)
	}
	return made, nil
}
