package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// network joins members without sockets and keeps what they say.
type network struct {
	sync.Mutex
	places  map[string]*transport
	packets []hexed
	streams []hexed
}

// transport is a member's only way to the network.
type transport struct {
	net     *network
	address net.Addr
	packets chan *memberlist.Packet
	streams chan net.Conn
}

func (n *network) attach(address string) (*transport, error) {
	resolved, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	made := &transport{n, resolved, make(chan *memberlist.Packet, 64), make(chan net.Conn, 8)}
	n.places[address] = made
	return made, nil
}

func (n *network) at(address string) *transport {
	n.Lock()
	defer n.Unlock()
	return n.places[address]
}

func (t *transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	return net.ParseIP(ip), port, nil
}

func (t *transport) WriteTo(bytes []byte, address string) (time.Time, error) {
	now := time.Now()
	copied := append([]byte(nil), bytes...)
	t.net.Lock()
	t.net.packets = append(t.net.packets, copied)
	t.net.Unlock()
	if to := t.net.at(address); to != nil {
		to.packets <- &memberlist.Packet{Buf: append([]byte(nil), bytes...), From: t.address, Timestamp: now}
	}
	return now, nil
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *transport) DialTimeout(address string, _ time.Duration) (net.Conn, error) {
	to := t.net.at(address)
	if to == nil {
		return nil, errors.New("nobody listens")
	}
	near, far := net.Pipe()
	to.streams <- &recorded{Conn: far, net: t.net}
	return &recorded{Conn: near, net: t.net}, nil
}

func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

func (t *transport) Shutdown() error { return nil }

// recorded is a connection whose writes are kept.
type recorded struct {
	net.Conn
	net *network
}

func (r *recorded) Write(bytes []byte) (int, error) {
	r.net.Lock()
	r.net.streams = append(r.net.streams, append([]byte(nil), bytes...))
	r.net.Unlock()
	return r.Conn.Write(bytes)
}

// RemoteAddr is asked for by the library's log lines.
func (r *recorded) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

type metadata []byte

func (m metadata) NodeMeta(int) []byte                        { return m }
func (m metadata) NotifyMsg([]byte)                           {}
func (m metadata) GetBroadcasts(overhead, limit int) [][]byte { return nil }
func (m metadata) LocalState(bool) []byte                     { return nil }
func (m metadata) MergeRemoteState([]byte, bool)              {}

// captures is what members said by themselves.
type captures struct {
	packets []packetVector
	streams []streamVector
}

// ring is a way to talk.
type ring struct {
	name     string
	key      []byte
	compress bool
}

// captureRings lets two members meet, once for each way to talk, all at the same time.
func captureRings() (captures, error) {
	key := deriveKey([]byte("6Xk0J1mTtZ0rWq9yB3sVfA"))
	rings := []ring{
		{"plain", nil, false},
		{"compressed", nil, true},
		{"encrypted", key, false},
		{"compressed, encrypted", key, true},
	}
	caught, failures := make([]captures, len(rings)), make([]error, len(rings))
	var all sync.WaitGroup
	for index, each := range rings {
		all.Add(1)
		go func() {
			defer all.Done()
			caught[index], failures[index] = captureRing(each.name, each.key, each.compress)
		}()
	}
	all.Wait()
	var together captures
	for _, each := range caught {
		together.packets = append(together.packets, each.packets...)
		together.streams = append(together.streams, each.streams...)
	}
	return together, errors.Join(failures...)
}

func captureRing(name string, key []byte, compress bool) (captures, error) {
	wire := &network{places: map[string]*transport{}}
	nodes := []node{
		{"n1", "192.0.2.11", 7946, hexed{}},
		{"n2", "192.0.2.12", 7946, hexed("metadata")},
	}
	var members []*memberlist.Memberlist
	for _, each := range nodes {
		made, err := createMember(wire, each, key, compress)
		if err != nil {
			return captures{}, err
		}
		defer made.Shutdown()
		members = append(members, made)
	}
	if _, err := members[1].Join([]string{"192.0.2.11:7946"}); err != nil {
		return captures{}, err
	}
	// Long enough for a ping each and some gossip.
	time.Sleep(3 * time.Second)
	wire.Lock()
	defer wire.Unlock()
	if len(wire.streams) != 2 {
		return captures{}, fmt.Errorf("%d sides of push/pulls instead of 2", len(wire.streams))
	}
	caught := captures{streams: []streamVector{
		{"captured join, " + name, key, wire.streams[0], nodes[1:]},
		{"captured answer to a join, " + name, key, wire.streams[1], nodes[:1]},
	}}
	seen := map[string]bool{}
	for _, packet := range wire.packets {
		if !seen[string(packet)] {
			seen[string(packet)] = true
			number := len(seen)
			caught.packets = append(caught.packets, packetVector{fmt.Sprintf("captured %d, %s", number, name), key, nil, packet})
		}
	}
	return caught, nil
}

func createMember(wire *network, self node, key []byte, compress bool) (*memberlist.Memberlist, error) {
	config := memberlist.DefaultLANConfig()
	config.Name = self.Name
	config.AdvertiseAddr, config.AdvertisePort = self.Addr, self.Port
	config.EnableCompression = compress
	config.SecretKey = key
	config.Logger = log.New(io.Discard, "", 0)
	if len(self.Meta) > 0 {
		config.Delegate = metadata(self.Meta)
	}
	attached, err := wire.attach(fmt.Sprintf("%s:%d", self.Addr, self.Port))
	if err != nil {
		return nil, err
	}
	config.Transport = attached
	return memberlist.Create(config)
}
