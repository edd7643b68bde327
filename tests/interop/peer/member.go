package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// line is what is told on stdout: an event of the ring, or the outcome of a command.
type line struct {
	Event   string   `json:"event"`
	Name    string   `json:"name,omitempty"`
	Address string   `json:"address,omitempty"`
	Meta    hexed    `json:"meta,omitempty"`
	Members []string `json:"members,omitempty"`
	Count   int      `json:"count,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// reporter writes lines, one at a time.
type reporter struct {
	sync.Mutex
	out *json.Encoder
}

func (r *reporter) say(what line) {
	r.Lock()
	defer r.Unlock()
	// Nobody listens any more: then nobody misses the line.
	_ = r.out.Encode(what)
}

func (r *reporter) tell(event string, node *memberlist.Node) {
	r.say(line{Event: event, Name: node.Name, Address: node.Address(), Meta: hexed(node.Meta)})
}

func (r *reporter) NotifyJoin(node *memberlist.Node)   { r.tell("join", node) }
func (r *reporter) NotifyLeave(node *memberlist.Node)  { r.tell("leave", node) }
func (r *reporter) NotifyUpdate(node *memberlist.Node) { r.tell("update", node) }

// outcome reports what a command came to.
func (r *reporter) outcome(command string, count int, err error) {
	done := line{Event: "done", Name: command, Count: count}
	if err != nil {
		done.Error = err.Error()
	}
	r.say(done)
}

// mutableMeta is metadata that a command may change.
type mutableMeta struct {
	sync.Mutex
	metadata
}

func (m *mutableMeta) NodeMeta(int) []byte {
	m.Lock()
	defer m.Unlock()
	return m.metadata
}

func (m *mutableMeta) set(bytes []byte) {
	m.Lock()
	defer m.Unlock()
	m.metadata = bytes
}

// participant is a member and what its commands need.
type participant struct {
	*memberlist.Memberlist
	config *memberlist.Config
	meta   *mutableMeta
	report *reporter
}

func member(arguments []string) error {
	flags := flag.NewFlagSet("member", flag.ContinueOnError)
	name := flags.String("name", "", "the member's name")
	bind := flags.String("bind", "127.0.0.1", "address to listen on")
	port := flags.Int("port", 7946, "port to listen on")
	secret := flags.String("secret", "", "what the secret's file says, in hexadecimal digits; nothing: no encryption")
	meta := flags.String("meta", "", "metadata in hexadecimal digits")
	join := flags.String("join", "", "members to join at the start, separated by commas")
	compress := flags.Bool("compress", true, "compress what is sent")
	speed := flags.Int("speed", 1, "how many times faster than usual deaths are noticed")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	report := &reporter{out: json.NewEncoder(os.Stdout)}
	config := memberlist.DefaultLANConfig()
	config.Name = *name
	config.BindAddr, config.AdvertiseAddr = *bind, *bind
	config.BindPort, config.AdvertisePort = *port, *port
	config.EnableCompression = *compress
	config.ProbeInterval /= time.Duration(*speed)
	config.ProbeTimeout /= time.Duration(*speed)
	config.Events = report
	config.Logger = log.New(os.Stderr, *name+" ", log.Lmicroseconds)
	key, err := parseSecret(*secret)
	if err != nil {
		return err
	}
	config.SecretKey = key
	announced, err := hex.DecodeString(*meta)
	if err != nil {
		return err
	}
	delegate := &mutableMeta{metadata: announced}
	config.Delegate = delegate
	list, err := memberlist.Create(config)
	if err != nil {
		return err
	}
	self := participant{list, config, delegate, report}
	report.say(line{Event: "ready", Name: *name})
	if *join != "" {
		count, err := self.Join(strings.Split(*join, ","))
		report.outcome("join", count, err)
	}
	return self.obey()
}

// parseSecret is the key of a secret; nothing if there is none.
func parseSecret(digits string) ([]byte, error) {
	if digits == "" {
		return nil, nil
	}
	secret, err := hex.DecodeString(digits)
	if err != nil {
		return nil, err
	}
	return deriveKey(secret), nil
}

// obey does what stdin says, a command a line, until it ends.
func (p *participant) obey() error {
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		if len(words) == 0 {
			continue
		}
		argument := strings.Join(words[1:], " ")
		if words[0] == "stop" {
			p.report.outcome("stop", 0, p.Shutdown())
			return nil
		}
		count, err := p.do(words[0], argument)
		p.report.outcome(words[0], count, err)
	}
	return commands.Err()
}

func (p *participant) do(command, argument string) (int, error) {
	switch command {
	case "members":
		names := p.names()
		p.report.say(line{Event: "list", Members: names})
		return len(names), nil
	case "elect":
		p.report.say(line{Event: "elected", Name: argument, Members: []string{elect(p.names(), argument)}})
		return 0, nil
	case "join":
		return p.Join(strings.Split(argument, ","))
	case "leave":
		return 0, p.Leave(time.Second)
	case "meta":
		bytes, err := hex.DecodeString(argument)
		if err != nil {
			return 0, err
		}
		p.meta.set(bytes)
		return 0, p.UpdateNode(time.Second)
	case "add-secret", "use-secret", "remove-secret":
		return 0, p.changeKeys(command, argument)
	}
	return 0, fmt.Errorf("unknown command")
}

// names are those of the members it sees.
func (p *participant) names() []string {
	var names []string
	for _, node := range p.Members() {
		names = append(names, node.Name)
	}
	return names
}

func (p *participant) changeKeys(command, digits string) error {
	key, err := parseSecret(digits)
	if err != nil {
		return err
	}
	switch {
	case p.config.Keyring == nil:
		return fmt.Errorf("this member was started without a secret")
	case command == "add-secret":
		return p.config.Keyring.AddKey(key)
	case command == "use-secret":
		return p.config.Keyring.UseKey(key)
	}
	return p.config.Keyring.RemoveKey(key)
}
